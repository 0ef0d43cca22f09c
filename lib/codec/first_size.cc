#include "codec/first_size.h"

#include <optional>
#include <utility>

#include "base/try.h"
#include "codec/picture_scaler.h"
#include "trickle/codec_options.h"

namespace trickle {
namespace {

class FirstSize final : public FrameSource {
 public:
  explicit FirstSize(std::unique_ptr<FrameSource> source) : source_(std::move(source)) {}

  [[nodiscard]] const StreamInfo& info() const override { return source_->info(); }

  Result<std::optional<FrameItem>> read() override {
    TRICKLE_TRY_ASSIGN(std::optional<FrameItem> item, source_->read());
    auto* video = item ? std::get_if<VideoItem>(&*item) : nullptr;
    if (video == nullptr) return item;
    VideoFrame& frame = video->frame;
    if (!size_) size_ = PictureSize{frame.width, frame.height};
    if (frame.width != size_->width || frame.height != size_->height) {
      const PixelFormat format = frame.format;
      TRICKLE_TRY_ASSIGN(frame, scaler_.convert(std::move(frame), size_->width, size_->height, format));
    }
    return item;
  }

 private:
  std::unique_ptr<FrameSource> source_;
  std::optional<PictureSize> size_;
  PictureScaler scaler_;
};

}  // namespace

std::unique_ptr<FrameSource> keep_first_size(std::unique_ptr<FrameSource> source) {
  return std::make_unique<FirstSize>(std::move(source));
}

}  // namespace trickle
