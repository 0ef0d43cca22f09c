#include "codec/video_decoder.h"

extern "C" {
#include <libavutil/hwcontext.h>
}

#include <algorithm>
#include <cmath>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "codec/convert.h"

namespace trickle {
namespace {

int thread_count(int asked) {
  if (asked > 0) return asked;
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 16U));
}

AVPixelFormat choose_hardware_format(AVCodecContext* context, const AVPixelFormat* formats) {
  const auto wanted = *static_cast<const AVPixelFormat*>(context->opaque);
  for (const AVPixelFormat* format = formats; *format != AV_PIX_FMT_NONE; ++format) {
    if (*format == wanted) return wanted;
  }
  return avcodec_default_get_format(context, formats);  // The stream is one that the hardware can't do.
}

}  // namespace

int64_t duration_of(const AVFrame& frame) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
  return std::max<int64_t>(frame.duration, 0);
#else
  return std::max<int64_t>(frame.pkt_duration, 0);
#endif
}

Result<std::unique_ptr<VideoDecoder>> VideoDecoder::open(const AVCodecParameters& parameters,
                                                         Rational time_base, const DecodeOptions& options) {
  const AVCodec* codec = avcodec_find_decoder(parameters.codec_id);
  if (codec == nullptr) {
    return unexpected(ErrorKind::kBadData,
                      fmt::format("there is no decoder for {} video", avcodec_get_name(parameters.codec_id)));
  }
  CodecContextPtr context(avcodec_alloc_context3(codec));
  if (!context) return unexpected(ErrorKind::kInternal, "out of memory for a decoder");
  avcodec_parameters_to_context(context.get(), &parameters);
  context->pkt_timebase = to_av(time_base);
  // Frame threads would hold back a frame each.
  context->thread_type = FF_THREAD_SLICE;
  context->thread_count = thread_count(options.threads);
  std::unique_ptr<VideoDecoder> decoder(new VideoDecoder(std::move(context)));
  if (!options.hwaccel.empty()) TRICKLE_TRY(decoder->use_hardware(options.hwaccel, *codec));
  if (const int code = avcodec_open2(decoder->context_.get(), codec, nullptr); code < 0) {
    return av_unexpected(ErrorKind::kBadData, fmt::format("the {} decoder can't be opened", codec->name),
                         code);
  }
  return decoder;
}

Result<void> VideoDecoder::use_hardware(const std::string& type_name, const AVCodec& codec) {
  const AVHWDeviceType type = av_hwdevice_find_type_by_name(type_name.c_str());
  if (type == AV_HWDEVICE_TYPE_NONE) {
    return unexpected(ErrorKind::kUsage, fmt::format("--hwaccel {}: no such hardware type", type_name));
  }
  for (int i = 0; hardware_format_ == AV_PIX_FMT_NONE; ++i) {
    const AVCodecHWConfig* config = avcodec_get_hw_config(&codec, i);
    if (config == nullptr) {
      return unexpected(ErrorKind::kUsage,
                        fmt::format("--hwaccel {}: it can't decode {}", type_name, codec.name));
    }
    const bool by_device = (config->methods & AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX) != 0;
    if (by_device && config->device_type == type) hardware_format_ = config->pix_fmt;
  }
  AVBufferRef* device = nullptr;
  if (const int code = av_hwdevice_ctx_create(&device, type, nullptr, nullptr, 0); code < 0) {
    return unexpected(ErrorKind::kUsage, fmt::format("--hwaccel {} is not available on this machine: {}",
                                                     type_name, av_error_text(code)));
  }
  hardware_.reset(device);
  context_->hw_device_ctx = av_buffer_ref(device);
  context_->opaque = &hardware_format_;
  context_->get_format = choose_hardware_format;
  return {};
}

Result<void> VideoDecoder::send(const AVPacket* packet) {
  const int code = avcodec_send_packet(context_.get(), packet);
  if (code < 0 && code != AVERROR_EOF) return av_unexpected(ErrorKind::kBadData, "decoding failed", code);
  return {};
}

Result<FramePtr> VideoDecoder::receive() {
  FramePtr frame(av_frame_alloc());
  if (!frame) return unexpected(ErrorKind::kInternal, "out of memory for a frame");
  const int code = avcodec_receive_frame(context_.get(), frame.get());
  if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return FramePtr();
  if (code < 0) return av_unexpected(ErrorKind::kBadData, "decoding failed", code);
  if (frame->format == hardware_format_ && hardware_) {
    TRICKLE_TRY_ASSIGN(frame, from_hardware(std::move(frame)));
  }
  return from_av(static_cast<AVPixelFormat>(frame->format)) == PixelFormat::kNone
             ? in_known_format(std::move(frame))
             : std::move(frame);
}

Result<FramePtr> VideoDecoder::from_hardware(FramePtr frame) {
  FramePtr fetched(av_frame_alloc());
  if (!fetched) return unexpected(ErrorKind::kInternal, "out of memory for a frame");
  if (const int code = av_hwframe_transfer_data(fetched.get(), frame.get(), 0); code < 0) {
    return av_unexpected(ErrorKind::kInternal, "a frame can't be fetched from the hardware", code);
  }
  av_frame_copy_props(fetched.get(), frame.get());
  return fetched;
}

Result<FramePtr> VideoDecoder::in_known_format(FramePtr frame) {
  const AVPixelFormat format = to_av(nearest_to(static_cast<AVPixelFormat>(frame->format)));
  FramePtr converted(av_frame_alloc());
  if (!converted) return unexpected(ErrorKind::kInternal, "out of memory for a frame");
  converted->format = format;
  converted->width = frame->width;
  converted->height = frame->height;
  sws_.reset(sws_getCachedContext(sws_.release(), frame->width, frame->height,
                                  static_cast<AVPixelFormat>(frame->format), frame->width, frame->height,
                                  format, SWS_BICUBIC, nullptr, nullptr, nullptr));
  if (!sws_ || av_frame_get_buffer(converted.get(), 0) < 0 ||
      sws_scale(sws_.get(), frame->data, frame->linesize, 0, frame->height, converted->data,
                converted->linesize) < 0) {
    return unexpected(ErrorKind::kInternal, "pictures of the decoder's format can't be converted");
  }
  av_frame_copy_props(converted.get(), frame.get());
  return converted;
}

void VideoDecoder::hint_reorder(int64_t ticks, Rational time_base, Rational frame_rate) {
  if (ticks <= 0 || context_->has_b_frames > 0) return;
  const double seconds = static_cast<double>(ticks) * time_base.to_double();
  const double frames = frame_rate.known() ? seconds * frame_rate.to_double() : 2.0;
  context_->has_b_frames = static_cast<int>(std::clamp(std::lround(frames), 1L, 16L));
}

Rational VideoDecoder::frame_rate() const { return from_av(context_->framerate); }

}  // namespace trickle
