// YUV4MPEG2: raw pictures with one size and one rate, for encoders and players that read nothing else.
//
// https://wiki.multimedia.cx/index.php/YUV4MPEG2. It carries neither audio nor timestamps.
#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "codec/open.h"
#include "codec/picture_scaler.h"
#include "io/fd_io.h"

namespace trickle {
namespace {

constexpr size_t kPipeBytes = 1024 * 1024;
constexpr Rational kAssumedFrameRate{25, 1};

const char* chroma_name(PixelFormat format) {
  switch (format) {
    case PixelFormat::kYuv420p:
      return "420jpeg";
    case PixelFormat::kYuv422p:
      return "422";
    case PixelFormat::kYuv444p:
      return "444";
    case PixelFormat::kGray8:
      return "mono";
    case PixelFormat::kYuv420p10:
      return "420p10 XYSCSS=420P10";
    case PixelFormat::kYuv422p10:
      return "422p10 XYSCSS=422P10";
    case PixelFormat::kYuv444p10:
      return "444p10 XYSCSS=444P10";
    default:
      return nullptr;
  }
}

class Y4mSink final : public FrameSink {
 public:
  Y4mSink(int fd, const VideoTrackInfo& track, Counters& counters)
      : fd_(fd), track_(track), counters_(counters) {
    if (chroma_name(track_.format) == nullptr) track_.format = PixelFormat::kYuv420p;
    if (!track_.frame_rate.known()) track_.frame_rate = kAssumedFrameRate;
    grow_pipe(fd, kPipeBytes);
  }

  Result<void> write(FrameItem item) override {
    auto* video = std::get_if<VideoItem>(&item);
    if (video == nullptr) return {};
    if (!begun_) TRICKLE_TRY(write_header(video->frame));
    TRICKLE_TRY_ASSIGN(VideoFrame frame,
                       scaler_.convert(std::move(video->frame), track_.width, track_.height, track_.format));
    frame = copy_of(frame);  // Rows without padding.
    TRICKLE_TRY(write_text("FRAME\n"));
    const size_t bytes = packed_picture_bytes(frame.format, frame.width, frame.height);
    TRICKLE_TRY(write_full(fd_, {reinterpret_cast<const std::byte*>(frame.planes[0].data), bytes}));
    counters_.bytes_out.fetch_add(bytes, std::memory_order_relaxed);
    counters_.frames_out.fetch_add(1, std::memory_order_relaxed);
    counters_.latency.record(std::chrono::steady_clock::now() - video->arrived);
    return {};
  }
  Result<void> finish() override { return {}; }

 private:
  Result<void> write_header(const VideoFrame& first) {
    begun_ = true;
    const char fields = first.field_order == FieldOrder::kProgressive ? 'p'
                        : first.field_order == FieldOrder::kTopFirst  ? 't'
                                                                      : 'b';
    const bool full = first.color.range == ColorProperties::Range::kFull;
    return write_text(fmt::format("YUV4MPEG2 W{} H{} F{}:{} I{} A{}:{} C{} XCOLORRANGE={}\n", track_.width,
                                  track_.height, track_.frame_rate.num, track_.frame_rate.den, fields,
                                  track_.sample_aspect.num, track_.sample_aspect.den,
                                  chroma_name(track_.format), full ? "FULL" : "LIMITED"));
  }

  Result<void> write_text(const std::string& text) {
    TRICKLE_TRY(write_full(fd_, std::as_bytes(std::span(text))));
    counters_.bytes_out.fetch_add(text.size(), std::memory_order_relaxed);
    return {};
  }

  int fd_;
  VideoTrackInfo track_;
  Counters& counters_;
  PictureScaler scaler_;
  bool begun_ = false;
};

}  // namespace

Result<std::unique_ptr<FrameSink>> open_y4m_output(int fd, const StreamInfo& info, Counters& counters) {
  if (!info.video)
    return unexpected(ErrorKind::kBadData, "the input has no video, and y4m carries nothing else");
  return std::unique_ptr<FrameSink>(std::make_unique<Y4mSink>(fd, *info.video, counters));
}

}  // namespace trickle
