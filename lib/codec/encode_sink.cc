#include "codec/encode_sink.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "codec/audio_encoder.h"
#include "codec/convert.h"
#include "codec/gop_clock.h"
#include "codec/loss_log.h"
#include "codec/ts_muxer.h"
#include "codec/video_encoder.h"

namespace trickle {
namespace {

constexpr std::array kCarriedAudio{AV_CODEC_ID_AAC,  AV_CODEC_ID_AAC_LATM, AV_CODEC_ID_MP1,
                                   AV_CODEC_ID_MP2,  AV_CODEC_ID_MP3,      AV_CODEC_ID_AC3,
                                   AV_CODEC_ID_EAC3, AV_CODEC_ID_DTS,      AV_CODEC_ID_OPUS};

struct AudioOut {
  size_t ts_track;
  std::unique_ptr<AudioEncoder> encoder;  ///< Null: copied.
};

class EncodeSink final : public FrameSink {
 public:
  EncodeSink(int fd, const StreamInfo& info, const EncodeOptions& options, Counters& counters)
      : info_(info), options_(options), counters_(counters), muxer_(fd, counters), gop_(options.gop) {}

  Result<void> open();
  Result<void> write(FrameItem item) override {
    return std::visit([this](auto& one) { return write_one(one); }, item);
  }
  Result<void> finish() override;

 private:
  Result<void> add_video();
  Result<void> add_audio(const AudioTrackInfo& track);
  Result<void> write_one(VideoItem& item);
  Result<void> write_one(AudioItem& item);
  Result<void> use_encoder_for(const VideoFrame& frame);
  Result<void> write_picture(AVPacket& packet);
  Result<void> write_encoded(const AudioOut& out, AVPacket& packet);
  Result<void> survive_damage(Result<void> result);

  const StreamInfo info_;
  const EncodeOptions options_;
  Counters& counters_;
  TsMuxer muxer_;
  GopClock gop_;
  size_t video_track_ = 0;
  std::unique_ptr<VideoEncoder> encoder_;
  int64_t last_ticks_ = INT64_MIN;
  std::deque<ArrivalTime> in_encoder_;  // Arrival of each picture that has not come out yet.
  std::vector<AudioOut> audio_;
  LossLog lost_audio_{"damaged audio packets"};
};

Result<void> EncodeSink::open() {
  if (info_.video) TRICKLE_TRY(add_video());
  if (options_.audio != AudioMode::kNone) {
    for (const AudioTrackInfo& track : info_.audio) TRICKLE_TRY(add_audio(track));
  }
  return muxer_.open();
}

Result<void> EncodeSink::add_video() {
  TRICKLE_TRY_ASSIGN(const AVCodecID codec, codec_of_encoder(options_.codec));
  const VideoTrackInfo& track = *info_.video;
  // Opened now, so that a wrong option is refused before anything is written.
  TRICKLE_TRY_ASSIGN(encoder_, VideoEncoder::open(options_, VideoEncoder::shape_of(track), track.time_base,
                                                  track.frame_rate));
  CodecParametersPtr parameters(avcodec_parameters_alloc());
  if (!parameters) return unexpected(ErrorKind::kInternal, "out of memory for a track");
  parameters->codec_type = AVMEDIA_TYPE_VIDEO;
  parameters->codec_id = codec;
  parameters->width = track.width;
  parameters->height = track.height;
  TRICKLE_TRY_ASSIGN(video_track_, muxer_.add_track(*parameters));
  return {};
}

Result<void> EncodeSink::add_audio(const AudioTrackInfo& track) {
  const AVCodecDescriptor* codec = avcodec_descriptor_get_by_name(track.codec.c_str());
  const AVCodecID id = codec != nullptr ? codec->id : AV_CODEC_ID_NONE;
  const bool carried = std::find(kCarriedAudio.begin(), kCarriedAudio.end(), id) != kCarriedAudio.end();
  AudioMode mode = options_.audio;
  if (mode == AudioMode::kCopy && !carried) {
    log::info("MPEG-TS can't carry {} audio: it is converted to AAC", track.codec);
    mode = AudioMode::kAac;
  }
  CodecParametersPtr parameters;
  AudioOut out{};
  if (mode == AudioMode::kCopy) {
    TRICKLE_TRY_ASSIGN(parameters, to_av(track));
  } else {
    TRICKLE_TRY_ASSIGN(out.encoder, AudioEncoder::open(track, mode));
    parameters.reset(avcodec_parameters_alloc());
    if (!parameters || avcodec_parameters_from_context(parameters.get(), &out.encoder->context()) < 0) {
      return unexpected(ErrorKind::kInternal, "out of memory for a track");
    }
  }
  TRICKLE_TRY_ASSIGN(out.ts_track, muxer_.add_track(*parameters));
  audio_.push_back(std::move(out));
  return {};
}

Result<void> EncodeSink::use_encoder_for(const VideoFrame& frame) {
  const VideoEncoder::Shape shape = VideoEncoder::shape_of(frame);
  if (encoder_->shape() == shape) return {};
  const bool begun = last_ticks_ != INT64_MIN;
  if (begun) {
    TRICKLE_TRY(encoder_->finish([this](AVPacket& packet) { return write_picture(packet); }));
    log::info("the encoder starts anew: pictures are {}x{} {} from here", frame.width, frame.height,
              pixel_format_info(frame.format).name);
  }
  TRICKLE_TRY_ASSIGN(encoder_,
                     VideoEncoder::open(options_, shape, info_.video->time_base, info_.video->frame_rate));
  return {};
}

Result<void> EncodeSink::write_one(VideoItem& item) {
  if (!info_.video) return {};
  counters_.width.store(static_cast<uint64_t>(item.frame.width), std::memory_order_relaxed);
  counters_.height.store(static_cast<uint64_t>(item.frame.height), std::memory_order_relaxed);
  const Timestamp& timestamp = item.frame.timestamp;
  int64_t ticks = rescale(timestamp.ticks, timestamp.time_base, info_.video->time_base);
  if (ticks <= last_ticks_) ticks = last_ticks_ + 1;  // No encoder takes times that stand still.
  TRICKLE_TRY(use_encoder_for(item.frame));
  last_ticks_ = ticks;
  in_encoder_.push_back(item.arrived);
  const bool keyframe = gop_.keyframe_due(Timestamp{ticks, info_.video->time_base});
  return encoder_->encode(std::move(item.frame), ticks, keyframe,
                          [this](AVPacket& packet) { return write_picture(packet); });
}

Result<void> EncodeSink::write_picture(AVPacket& packet) {
  TRICKLE_TRY(muxer_.write(video_track_, packet, info_.video->time_base));
  counters_.frames_out.fetch_add(1, std::memory_order_relaxed);
  if (!in_encoder_.empty()) {
    counters_.latency.record(std::chrono::steady_clock::now() - in_encoder_.front());
    in_encoder_.pop_front();
  }
  return {};
}

Result<void> EncodeSink::write_one(AudioItem& item) {
  const AudioPacket& audio = item.packet;
  if (audio.track < 0 || static_cast<size_t>(audio.track) >= audio_.size()) return {};
  AudioOut& out = audio_[static_cast<size_t>(audio.track)];
  if (out.encoder) {
    auto encoded = out.encoder->encode(audio, [&](AVPacket& packet) { return write_encoded(out, packet); });
    return survive_damage(std::move(encoded));
  }
  PacketPtr packet(av_packet_alloc());
  if (!packet) return unexpected(ErrorKind::kInternal, "out of memory for a packet");
  packet->data = const_cast<uint8_t*>(audio.data);
  packet->size = static_cast<int>(audio.size_bytes);
  packet->pts = packet->dts = audio.timestamp.ticks;
  packet->duration = audio.duration_ticks;
  packet->flags = AV_PKT_FLAG_KEY;
  auto written = muxer_.write(out.ts_track, *packet, audio.timestamp.time_base);
  if (written) counters_.audio_out.fetch_add(1, std::memory_order_relaxed);
  return survive_damage(std::move(written));
}

Result<void> EncodeSink::write_encoded(const AudioOut& out, AVPacket& packet) {
  counters_.audio_out.fetch_add(1, std::memory_order_relaxed);
  return muxer_.write(out.ts_track, packet, from_av(out.encoder->context().time_base));
}

// Sound that was damaged on its way here is counted, not passed on.
Result<void> EncodeSink::survive_damage(Result<void> result) {
  if (result || result.error().kind() != ErrorKind::kBadData) return result;
  counters_.drop(Drop::kDamaged);
  lost_audio_.add(result.error().to_string());
  return {};
}

Result<void> EncodeSink::finish() {
  if (encoder_ && last_ticks_ != INT64_MIN) {
    TRICKLE_TRY(encoder_->finish([this](AVPacket& packet) { return write_picture(packet); }));
  }
  for (AudioOut& out : audio_) {
    if (!out.encoder) continue;
    auto finished = out.encoder->finish([&](AVPacket& packet) { return write_encoded(out, packet); });
    TRICKLE_TRY(survive_damage(std::move(finished)));
  }
  lost_audio_.finish();
  return muxer_.finish();
}

}  // namespace

Result<std::unique_ptr<FrameSink>> open_encode_sink(int fd, const StreamInfo& info,
                                                    const EncodeOptions& options, Counters& counters) {
  auto sink = std::make_unique<EncodeSink>(fd, info, options, counters);
  TRICKLE_TRY(sink->open());
  return std::unique_ptr<FrameSink>(std::move(sink));
}

}  // namespace trickle
