// What DecodeOptions ask of each picture: its rate, its size, its format.
#pragma once

#include <memory>
#include <optional>

#include "base/counters.h"
#include "codec/picture_scaler.h"
#include "codec/rate_limiter.h"
#include "codec/shape_control.h"
#include "media/frame_stream.h"
#include "trickle/codec_options.h"

namespace trickle {

/// Belongs to one thread.
class Shaper {
 public:
  /// \param control may be null; what it brings replaces what `options` said, from the next frame.
  /// \param memory where pictures that have to be made are made; may be null.
  Shaper(const DecodeOptions& options, std::shared_ptr<ShapeControl> control, Counters& counters,
         std::shared_ptr<FrameMemory> memory = nullptr);

  /// `frame` as asked for, or nothing when it comes too early (counted as Drop::kRate).
  Result<std::optional<VideoFrame>> shape(VideoFrame frame);

  /// The track as it will be after shaping.
  [[nodiscard]] VideoTrackInfo shaped(VideoTrackInfo track) const;

 private:
  void take_control();

  std::optional<PictureSize> size_;
  PixelFormat format_;
  std::optional<RateLimiter> limiter_;
  std::optional<double> max_fps_;
  std::shared_ptr<ShapeControl> control_;
  PictureScaler scaler_;
  Counters& counters_;
};

}  // namespace trickle
