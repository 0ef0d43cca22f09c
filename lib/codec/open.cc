#include "codec/open.h"

#include <cstring>
#include <utility>

#include "base/try.h"
#include "codec/av_log.h"
#include "codec/decode_source.h"
#include "codec/demuxer.h"
#include "codec/encode_sink.h"
#include "codec/fd_avio.h"
#include "codec/nut_sink.h"
#include "codec/nut_source.h"
#include "codec/picture_scaler.h"
#include "codec/ts_demuxer.h"
#include "media/ts_resync.h"

namespace trickle {
namespace {

bool starts_with(std::span<const std::byte> bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

Result<bool> is_transport_stream(FdReader& reader) {
  TRICKLE_TRY_ASSIGN(const std::span<const std::byte> head, reader.peek(ts::kProbeBytes));
  return ts::looks_like_ts({reinterpret_cast<const uint8_t*>(head.data()), head.size()});
}

}  // namespace

Result<OpenedInput> open_input(int fd, const DecodeOptions& options, Counters& counters,
                               const StopToken& stop, std::shared_ptr<ShapeControl> control,
                               std::shared_ptr<FrameMemory> memory) {
  route_av_log();
  auto reader = std::make_unique<FdReader>(fd, counters, stop);
  TRICKLE_TRY_ASSIGN(const std::span<const std::byte> head, reader->peek(kNutFileId.size()));
  if (stop.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped before the first frame");
  if (head.empty()) return OpenedInput{InputKind::kEmpty, nullptr};
  if (starts_with(head, kNutFileId)) {
    TRICKLE_TRY_ASSIGN(NutInput nut, open_nut(std::move(reader), options, control, counters, memory));
    if (nut.source) return OpenedInput{InputKind::kFrames, std::move(nut.source)};
    TRICKLE_TRY_ASSIGN(std::unique_ptr<FrameSource> source,
                       open_decode_source(std::move(nut.demuxer), options, std::move(control), counters, stop,
                                          std::move(memory)));
    return OpenedInput{InputKind::kEncoded, std::move(source)};
  }
  TRICKLE_TRY_ASSIGN(const bool transport_stream, is_transport_stream(*reader));
  TRICKLE_TRY_ASSIGN(std::unique_ptr<Demuxer> demuxer, transport_stream
                                                           ? open_ts_demuxer(std::move(reader), counters)
                                                           : open_av_demuxer(std::move(reader)));
  TRICKLE_TRY_ASSIGN(
      std::unique_ptr<FrameSource> source,
      open_decode_source(std::move(demuxer), options, std::move(control), counters, stop, std::move(memory)));
  return OpenedInput{InputKind::kEncoded, std::move(source)};
}

Result<std::unique_ptr<FrameSink>> open_frame_output(int fd, const StreamInfo& info, Counters& counters,
                                                     std::shared_ptr<FrameMemory> shared) {
  route_av_log();
  return open_nut_sink(fd, info, counters, std::move(shared));
}

Result<std::unique_ptr<FrameSink>> open_encoded_output(int fd, const StreamInfo& info,
                                                       const EncodeOptions& options, Counters& counters) {
  route_av_log();
  return open_encode_sink(fd, info, options, counters);
}

std::function<Result<VideoFrame>(VideoFrame, PixelFormat)> make_picture_converter() {
  return [scaler = std::make_shared<PictureScaler>()](VideoFrame frame, PixelFormat format) {
    const int width = frame.width;
    const int height = frame.height;
    return scaler->convert(std::move(frame), width, height, format);
  };
}

}  // namespace trickle
