// The public Encoder: open_encoded_output with its counters inside.
#include "trickle/encoder.h"

#include <utility>

#include "base/try.h"
#include "codec/open.h"
#include "media/pcm.h"

namespace trickle {
namespace {

class OutputEncoder final : public Encoder {
 public:
  Result<void> open(int fd, const StreamInfo& info, const EncodeOptions& options) {
    audio_ = info.audio;
    TRICKLE_TRY_ASSIGN(sink_, open_encoded_output(fd, info, options, counters_));
    return {};
  }
  Result<void> write(VideoFrame frame) override { return sink_->write(VideoItem{std::move(frame)}); }
  Result<void> write(AudioPacket packet) override { return sink_->write(AudioItem{std::move(packet)}); }
  Result<void> write(const AudioFrame& frame) override {
    const auto track = static_cast<size_t>(frame.track);
    if (track >= audio_.size()) return unexpected(ErrorKind::kUsage, "there is no such track of sound");
    return sink_->write(AudioItem{to_pcm_packet(frame, audio_[track].time_base)});
  }
  Result<void> finish() override { return sink_->finish(); }

 private:
  Counters counters_;
  std::vector<AudioTrackInfo> audio_;
  std::unique_ptr<FrameSink> sink_;
};

}  // namespace

Result<std::unique_ptr<Encoder>> Encoder::open(int fd, const StreamInfo& info, const EncodeOptions& options) {
  auto encoder = std::make_unique<OutputEncoder>();
  TRICKLE_TRY(encoder->open(fd, info, options));
  return std::unique_ptr<Encoder>(std::move(encoder));
}

}  // namespace trickle
