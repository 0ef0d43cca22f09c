#include "codec/audio_decoder.h"

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "codec/convert.h"

namespace trickle {

SwrPtr make_resampler(const AVChannelLayout& to_layout, AVSampleFormat to_format, int to_rate,
                      const AVChannelLayout& from_layout, AVSampleFormat from_format, int from_rate) {
  SwrContext* raw = nullptr;
  // FFmpeg 5 takes layouts that are not const, and does not change them.
  swr_alloc_set_opts2(&raw, const_cast<AVChannelLayout*>(&to_layout), to_format, to_rate,
                      const_cast<AVChannelLayout*>(&from_layout), from_format, from_rate, 0, nullptr);
  SwrPtr resampler(raw);
  return resampler && swr_init(resampler.get()) >= 0 ? std::move(resampler) : nullptr;
}

void learn_audio_parameters(AVCodecParameters& parameters, const AVPacket& packet) {
  const AVCodec* codec = avcodec_find_decoder(parameters.codec_id);
  CodecContextPtr context(codec != nullptr ? avcodec_alloc_context3(codec) : nullptr);
  if (!context) return;
  avcodec_parameters_to_context(context.get(), &parameters);
  FramePtr frame(av_frame_alloc());
  if (!frame || avcodec_open2(context.get(), codec, nullptr) < 0) return;
  if (avcodec_send_packet(context.get(), &packet) < 0) return;
  const bool decoded = avcodec_receive_frame(context.get(), frame.get()) >= 0;
  if (parameters.sample_rate <= 0) {
    parameters.sample_rate = decoded ? frame->sample_rate : context->sample_rate;
  }
  if (parameters.ch_layout.nb_channels <= 0) {
    av_channel_layout_copy(&parameters.ch_layout, decoded ? &frame->ch_layout : &context->ch_layout);
  }
  if (parameters.frame_size <= 0) {
    parameters.frame_size = context->frame_size > 0 ? context->frame_size : (decoded ? frame->nb_samples : 0);
  }
}

Result<std::unique_ptr<AudioDecoder>> AudioDecoder::open(const AVCodecParameters& parameters,
                                                         const AudioTrackInfo& track) {
  const AVCodec* codec = avcodec_find_decoder(parameters.codec_id);
  if (codec == nullptr) {
    return unexpected(ErrorKind::kBadData,
                      fmt::format("there is no decoder for {} audio", avcodec_get_name(parameters.codec_id)));
  }
  CodecContextPtr context(avcodec_alloc_context3(codec));
  if (!context) return unexpected(ErrorKind::kInternal, "out of memory for a decoder");
  avcodec_parameters_to_context(context.get(), &parameters);
  context->pkt_timebase = to_av(track.time_base);
  context->thread_count = 1;
  if (const int code = avcodec_open2(context.get(), codec, nullptr); code < 0) {
    return av_unexpected(ErrorKind::kBadData, fmt::format("the {} decoder can't be opened", codec->name),
                         code);
  }
  return std::unique_ptr<AudioDecoder>(new AudioDecoder(std::move(context), track));
}

Result<AudioPacket> AudioDecoder::resample(const AVFrame& frame) {
  const auto format = static_cast<AVSampleFormat>(frame.format);
  if (!resampler_ || frame.sample_rate != from_rate_ || frame.ch_layout.nb_channels != from_channels_ ||
      frame.format != from_format_) {
    AVChannelLayout layout{};
    av_channel_layout_default(&layout, channels_);
    resampler_ = make_resampler(layout, AV_SAMPLE_FMT_S16, rate_, frame.ch_layout, format, frame.sample_rate);
    from_rate_ = frame.sample_rate;
    from_channels_ = frame.ch_layout.nb_channels;
    from_format_ = frame.format;
  }
  if (!resampler_) return unexpected(ErrorKind::kBadData, "these samples can't be converted to 16 bits");
  const int room = swr_get_out_samples(resampler_.get(), frame.nb_samples);
  auto samples =
      std::make_shared<std::vector<uint8_t>>(static_cast<size_t>(room) * 2 * static_cast<size_t>(channels_));
  uint8_t* out = samples->data();
  const int made = swr_convert(resampler_.get(), &out, room, const_cast<const uint8_t**>(frame.extended_data),
                               frame.nb_samples);
  if (made < 0) return av_unexpected(ErrorKind::kBadData, "resampling failed", made);
  AudioPacket packet;
  packet.data = samples->data();
  packet.size_bytes = static_cast<size_t>(made) * 2 * static_cast<size_t>(channels_);
  packet.memory = std::move(samples);
  packet.duration_ticks = rescale(made, {1, rate_}, time_base_);
  const int64_t pts = frame.best_effort_timestamp != AV_NOPTS_VALUE ? frame.best_effort_timestamp : next_pts_;
  packet.timestamp = {pts, time_base_};
  next_pts_ = pts == AV_NOPTS_VALUE ? pts : pts + packet.duration_ticks;
  return packet;
}

Result<void> AudioDecoder::decode(const AVPacket* packet, const std::function<void(AudioPacket)>& give) {
  if (const int code = avcodec_send_packet(context_.get(), packet); code < 0 && code != AVERROR_EOF) {
    return av_unexpected(ErrorKind::kBadData, "audio decoding failed", code);
  }
  FramePtr frame(av_frame_alloc());
  while (frame) {
    const int code = avcodec_receive_frame(context_.get(), frame.get());
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return {};
    if (code < 0) return av_unexpected(ErrorKind::kBadData, "audio decoding failed", code);
    TRICKLE_TRY_ASSIGN(AudioPacket samples, resample(*frame));
    if (samples.timestamp.ticks != AV_NOPTS_VALUE && samples.size_bytes > 0) give(std::move(samples));
  }
  return unexpected(ErrorKind::kInternal, "out of memory for a frame");
}

}  // namespace trickle
