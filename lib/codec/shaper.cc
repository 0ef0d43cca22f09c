#include "codec/shaper.h"

#include <utility>

#include "base/log.h"
#include "base/try.h"

namespace trickle {

Shaper::Shaper(const DecodeOptions& options, std::shared_ptr<ShapeControl> control, Counters& counters,
               std::shared_ptr<FrameMemory> memory)
    : size_(options.size),
      format_(options.format),
      max_fps_(options.max_fps),
      control_(std::move(control)),
      scaler_(std::move(memory)),
      counters_(counters) {
  if (max_fps_) limiter_.emplace(*max_fps_);
}

void Shaper::take_control() {
  if (!control_) return;
  const ShapeControl::Change change = control_->take();
  if (change.size) {
    size_ = change.size;
    log::info("pictures are {}x{} from here", size_->width, size_->height);
  }
  if (change.max_fps) {
    max_fps_ = change.max_fps;
    limiter_.emplace(*max_fps_);
    log::info("at most {:g} frames a second from here", *max_fps_);
  }
}

Result<std::optional<VideoFrame>> Shaper::shape(VideoFrame frame) {
  take_control();
  if (limiter_ && !limiter_->due(frame.timestamp.seconds())) {
    counters_.drop(Drop::kRate);
    return std::optional<VideoFrame>();
  }
  const int width = size_ ? size_->width : frame.width;
  const int height = size_ ? size_->height : frame.height;
  const PixelFormat format = format_ == PixelFormat::kNone ? frame.format : format_;
  TRICKLE_TRY_ASSIGN(VideoFrame shaped, scaler_.convert(std::move(frame), width, height, format));
  return std::optional<VideoFrame>(std::move(shaped));
}

VideoTrackInfo Shaper::shaped(VideoTrackInfo track) const {
  if (format_ != PixelFormat::kNone) track.format = format_;
  const PixelFormatInfo& info = pixel_format_info(track.format);
  if (size_) {
    track.width = size_->width;
    track.height = size_->height;
  }
  track.width &= ~((1 << info.log2_chroma_w) - 1);
  track.height &= ~((1 << info.log2_chroma_h) - 1);
  if (max_fps_ && (!track.frame_rate.known() || track.frame_rate.to_double() > *max_fps_)) {
    const AVRational rate = av_d2q(*max_fps_, 1'000'000);
    track.frame_rate = {rate.num, rate.den};
  }
  return track;
}

}  // namespace trickle
