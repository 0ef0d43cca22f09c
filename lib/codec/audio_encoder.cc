#include "codec/audio_encoder.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/try.h"
#include "codec/convert.h"

namespace trickle {
namespace {

constexpr int kOpusRate = 48'000;
constexpr int64_t kBitsPerChannel = 64'000;
// The sample count follows the source's timestamps; what is off by more is a gap, not rounding.
constexpr double kGapSeconds = 0.03;

const AVCodec* find_encoder(AudioMode mode) {
  if (mode == AudioMode::kAac) return avcodec_find_encoder(AV_CODEC_ID_AAC);
  const AVCodec* opus = avcodec_find_encoder_by_name("libopus");
  return opus != nullptr ? opus : avcodec_find_encoder(AV_CODEC_ID_OPUS);
}

AVSampleFormat sample_format_of(const AVCodec& codec) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 13, 100)
  const void* formats = nullptr;
  avcodec_get_supported_config(nullptr, &codec, AV_CODEC_CONFIG_SAMPLE_FORMAT, 0, &formats, nullptr);
  return formats != nullptr ? *static_cast<const AVSampleFormat*>(formats) : AV_SAMPLE_FMT_S16;
#else
  return codec.sample_fmts != nullptr ? codec.sample_fmts[0] : AV_SAMPLE_FMT_S16;
#endif
}

}  // namespace

Result<std::unique_ptr<AudioEncoder>> AudioEncoder::open(const AudioTrackInfo& track, AudioMode mode) {
  const AVCodec* codec = find_encoder(mode);
  CodecContextPtr context(codec != nullptr ? avcodec_alloc_context3(codec) : nullptr);
  if (!context) {
    return unexpected(ErrorKind::kUsage, fmt::format("this FFmpeg has no {} encoder",
                                                     mode == AudioMode::kOpus ? "Opus" : "AAC"));
  }
  context->sample_rate = mode == AudioMode::kOpus ? kOpusRate : track.sample_rate;
  context->sample_fmt = sample_format_of(*codec);
  av_channel_layout_default(&context->ch_layout, std::clamp(track.channels, 1, 2));
  const int channels = context->ch_layout.nb_channels;
  context->bit_rate = kBitsPerChannel * channels;
  context->time_base = {1, context->sample_rate};
  context->strict_std_compliance =
      FF_COMPLIANCE_EXPERIMENTAL;  // FFmpeg's own Opus encoder, where libopus is missing.
  if (const int code = avcodec_open2(context.get(), codec, nullptr); code < 0) {
    return av_unexpected(
        ErrorKind::kBadData,
        fmt::format("{} at {} Hz can't be encoded to {}", track.codec, track.sample_rate, codec->name), code);
  }
  const AudioTrackInfo samples{"pcm_s16le", context->sample_rate, channels, track.time_base, 0, {}};
  TRICKLE_TRY_ASSIGN(const CodecParametersPtr parameters, to_av(track));
  TRICKLE_TRY_ASSIGN(std::unique_ptr<AudioDecoder> decoder, AudioDecoder::open(*parameters, samples));
  SwrPtr to_encoder = make_resampler(context->ch_layout, context->sample_fmt, context->sample_rate,
                                     context->ch_layout, AV_SAMPLE_FMT_S16, context->sample_rate);
  if (!to_encoder) return unexpected(ErrorKind::kInternal, "no converter for the encoder's samples");
  return std::unique_ptr<AudioEncoder>(
      new AudioEncoder(std::move(context), std::move(decoder), std::move(to_encoder)));
}

void AudioEncoder::collect(const AudioPacket& samples) {
  const Rational sample_base{1, context_->sample_rate};
  const size_t frame_bytes = 2 * static_cast<size_t>(context_->ch_layout.nb_channels);
  const int64_t pts = rescale(samples.timestamp.ticks, samples.timestamp.time_base, sample_base);
  const auto waiting = static_cast<int64_t>(waiting_.size() / frame_bytes);
  const auto gap = static_cast<int64_t>(kGapSeconds * context_->sample_rate);
  if (!next_pts_ || std::llabs(*next_pts_ + waiting - pts) > gap) {
    waiting_.clear();  // Less than a frame before a gap: it has no place of its own.
    next_pts_ = pts;
  }
  waiting_.insert(waiting_.end(), samples.data, samples.data + samples.size_bytes);
}

Result<void> AudioEncoder::encode(const AudioPacket& packet, const Give& give) {
  PacketPtr av(av_packet_alloc());
  if (!av || av_new_packet(av.get(), static_cast<int>(packet.size_bytes)) < 0) {
    return unexpected(ErrorKind::kInternal, "out of memory for a packet");
  }
  std::memcpy(av->data, packet.data, packet.size_bytes);
  av->pts = av->dts = packet.timestamp.ticks;
  av->duration = packet.duration_ticks;
  TRICKLE_TRY(decoder_->decode(av.get(), [this](AudioPacket samples) { collect(samples); }));
  return encode_whole_frames(give, false);
}

Result<void> AudioEncoder::encode_whole_frames(const Give& give, bool all) {
  const size_t frame_bytes = 2 * static_cast<size_t>(context_->ch_layout.nb_channels);
  const auto frame_samples = static_cast<size_t>(context_->frame_size > 0 ? context_->frame_size : 960);
  while (waiting_.size() >= frame_samples * frame_bytes) TRICKLE_TRY(encode_frame(frame_samples, give));
  if (all && waiting_.size() >= frame_bytes) TRICKLE_TRY(encode_frame(waiting_.size() / frame_bytes, give));
  return {};
}

Result<void> AudioEncoder::encode_frame(size_t samples, const Give& give) {
  FramePtr frame(av_frame_alloc());
  if (!frame) return unexpected(ErrorKind::kInternal, "out of memory for a frame");
  frame->nb_samples = static_cast<int>(samples);
  frame->format = context_->sample_fmt;
  frame->sample_rate = context_->sample_rate;
  av_channel_layout_copy(&frame->ch_layout, &context_->ch_layout);
  if (av_frame_get_buffer(frame.get(), 0) < 0)
    return unexpected(ErrorKind::kInternal, "out of memory for samples");
  const uint8_t* from = waiting_.data();
  swr_convert(to_encoder_.get(), frame->extended_data, frame->nb_samples, &from, frame->nb_samples);
  frame->pts = *next_pts_;
  *next_pts_ += static_cast<int64_t>(samples);
  const size_t used = samples * 2 * static_cast<size_t>(context_->ch_layout.nb_channels);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(used));
  if (const int code = avcodec_send_frame(context_.get(), frame.get()); code < 0) {
    return av_unexpected(ErrorKind::kInternal, "audio encoding failed", code);
  }
  return give_packets(give);
}

Result<void> AudioEncoder::finish(const Give& give) {
  // What could not be decoded is said only when all that could be has gone out.
  auto drained = decoder_->decode(nullptr, [this](AudioPacket samples) { collect(samples); });
  TRICKLE_TRY(encode_whole_frames(give, true));
  if (const int code = avcodec_send_frame(context_.get(), nullptr); code < 0 && code != AVERROR_EOF) {
    return av_unexpected(ErrorKind::kInternal, "audio encoding failed", code);
  }
  TRICKLE_TRY(give_packets(give));
  return drained;
}

Result<void> AudioEncoder::give_packets(const Give& give) {
  while (true) {
    const int code = avcodec_receive_packet(context_.get(), packet_.get());
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return {};
    if (code < 0) return av_unexpected(ErrorKind::kInternal, "audio encoding failed", code);
    TRICKLE_TRY(give(*packet_));
    av_packet_unref(packet_.get());
  }
}

}  // namespace trickle
