// The public Decoder: open_input with its counters and stop token inside, and samples as AudioFrames.
#include "trickle/decoder.h"

#include <utility>

#include "base/try.h"
#include "codec/open.h"
#include "media/pcm.h"

namespace trickle {
namespace {

class InputDecoder final : public Decoder {
 public:
  explicit InputDecoder(AudioMode audio) : audio_(audio) {}

  Result<void> open(int fd, const DecodeOptions& options) {
    TRICKLE_TRY_ASSIGN(OpenedInput input, open_input(fd, options, counters_, stop_.token()));
    if (input.kind == InputKind::kEmpty) return unexpected(ErrorKind::kBadData, "the input is empty");
    source_ = std::move(input.source);
    return {};
  }

  [[nodiscard]] const StreamInfo& info() const override { return source_->info(); }

  Result<std::optional<MediaItem>> read() override {
    TRICKLE_TRY_ASSIGN(std::optional<FrameItem> item, source_->read());
    if (!item) return std::optional<MediaItem>();
    if (auto* video = std::get_if<VideoItem>(&*item))
      return std::optional<MediaItem>(std::move(video->frame));
    AudioPacket& packet = std::get<AudioItem>(*item).packet;
    if (audio_ != AudioMode::kPcm) return std::optional<MediaItem>(std::move(packet));
    const AudioTrackInfo& track = info().audio[static_cast<size_t>(packet.track)];
    return std::optional<MediaItem>(from_pcm_packet(packet, track, SampleFormat::kFloat));
  }

  [[nodiscard]] uint64_t lost() const override { return counters_.drops(Drop::kDamaged); }
  void cancel() override { stop_.request_stop(); }

 private:
  const AudioMode audio_;
  Counters counters_;
  StopSource stop_;
  std::unique_ptr<FrameSource> source_;
};

}  // namespace

Result<std::unique_ptr<Decoder>> Decoder::open(int fd, const DecodeOptions& options) {
  auto decoder = std::make_unique<InputDecoder>(options.audio);
  TRICKLE_TRY(decoder->open(fd, options));
  return std::unique_ptr<Decoder>(std::move(decoder));
}

}  // namespace trickle
