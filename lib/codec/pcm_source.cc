#include "codec/pcm_source.h"

#include <deque>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "codec/audio_decoder.h"
#include "codec/convert.h"
#include "codec/loss_log.h"

namespace trickle {
namespace {

class PcmSource final : public FrameSource {
 public:
  PcmSource(std::unique_ptr<FrameSource> source, Counters& counters)
      : source_(std::move(source)), counters_(counters), info_(source_->info()) {
    for (AudioTrackInfo& track : info_.audio) decoders_.push_back(open(track));
  }

  [[nodiscard]] const StreamInfo& info() const override { return info_; }

  Result<std::optional<FrameItem>> read() override {
    while (ready_.empty()) {
      if (ended_) return std::optional<FrameItem>();
      TRICKLE_TRY_ASSIGN(std::optional<FrameItem> item, source_->read());
      if (!item) {
        finish();
      } else if (auto* audio = std::get_if<AudioItem>(&*item)) {
        decode(std::move(*audio));
      } else {
        return item;
      }
    }
    FrameItem item = std::move(ready_.front());
    ready_.pop_front();
    return std::optional<FrameItem>(std::move(item));
  }

 private:
  static std::unique_ptr<AudioDecoder> open(AudioTrackInfo& track) {
    auto parameters = to_av(track);
    Result<std::unique_ptr<AudioDecoder>> decoder =
        parameters ? AudioDecoder::open(**parameters, track) : unexpected(parameters.error());
    if (!decoder) {
      log::warning("this sound passes as it is: {}", decoder.error().to_string());
      return nullptr;
    }
    track = {"pcm_s16le", track.sample_rate, track.channels, track.time_base, 0, {}};
    return *std::move(decoder);
  }

  void decode(AudioItem item) {
    const int track = item.packet.track;
    AudioDecoder* decoder = decoders_.at(static_cast<size_t>(track)).get();
    if (decoder == nullptr) {
      ready_.emplace_back(std::move(item));
      return;
    }
    PacketPtr packet(av_packet_alloc());
    if (!packet || av_new_packet(packet.get(), static_cast<int>(item.packet.size_bytes)) < 0) return;
    std::copy_n(item.packet.data, item.packet.size_bytes, packet->data);
    packet->pts = packet->dts = item.packet.timestamp.ticks;
    packet->duration = item.packet.duration_ticks;
    decode(*decoder, packet.get(), give(track, item.arrived));
  }

  // Null: what the decoder still holds.
  void decode(AudioDecoder& decoder, const AVPacket* packet, const std::function<void(AudioPacket)>& give) {
    if (auto done = decoder.decode(packet, give); !done) {
      counters_.drop(Drop::kDamaged);
      lost_.add(done.error().to_string());
    }
  }

  std::function<void(AudioPacket)> give(int track, ArrivalTime arrived) {
    return [this, track, arrived](AudioPacket samples) {
      samples.track = track;
      ready_.emplace_back(AudioItem{std::move(samples), arrived});
    };
  }

  void finish() {
    ended_ = true;
    for (size_t i = 0; i < decoders_.size(); ++i) {
      if (decoders_[i]) decode(*decoders_[i], nullptr, give(static_cast<int>(i), {}));
    }
    lost_.finish();
  }

  std::unique_ptr<FrameSource> source_;
  Counters& counters_;
  StreamInfo info_;
  std::vector<std::unique_ptr<AudioDecoder>> decoders_;
  std::deque<FrameItem> ready_;
  bool ended_ = false;
  LossLog lost_{"damaged audio packets"};
};

}  // namespace

std::unique_ptr<FrameSource> make_pcm_source(std::unique_ptr<FrameSource> source, Counters& counters) {
  return std::make_unique<PcmSource>(std::move(source), counters);
}

}  // namespace trickle
