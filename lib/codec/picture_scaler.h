// Pictures in another size or pixel format: scaled to cover, centre cut out, colours kept.
#pragma once

#include "codec/av_types.h"
#include "media/frame_memory.h"
#include "trickle/frame.h"
#include "trickle/result.h"

namespace trickle {

/// How a picture covers another size: scaled to `scaled_*`, then cut at `left`, `top` to the target size.
struct CoverPlan {
  int scaled_width;
  int scaled_height;
  int left;
  int top;
};

/// The side that overhangs is scaled to an even number and cut equally on both sides.
[[nodiscard]] CoverPlan plan_cover(int width, int height, int target_width, int target_height);

/// Belongs to one thread; frames it made may outlive it. In the steady state nothing the size of a frame is
/// allocated.
class PictureScaler {
 public:
  /// \param memory where pictures are made; null: a heap of its own.
  explicit PictureScaler(std::shared_ptr<FrameMemory> memory = nullptr)
      : memory_(memory ? std::move(memory) : make_heap_memory()) {}

  /// `frame` in this size and format, every property kept; the frame itself when it is so already. What is
  /// made is exclusive. Odd sides that `format` can't have lose one pixel. \return kInternal when swscale
  /// refuses.
  Result<VideoFrame> convert(VideoFrame frame, int width, int height, PixelFormat format);

 private:
  struct Key {
    int from_width, from_height;
    PixelFormat from_format;
    ColorProperties color;
    int to_width, to_height;
    PixelFormat to_format;
    friend bool operator==(const Key&, const Key&) = default;
  };
  Result<void> prepare(const Key& key);
  Key key_{};
  SwsPtr sws_;
  std::shared_ptr<FrameMemory> memory_;
};

/// A view of `frame` whose sides its pixel format can have: odd ones of subsampled formats lose a pixel.
[[nodiscard]] VideoFrame even_sides(VideoFrame frame);

}  // namespace trickle
