#include "codec/video_decoder.h"

extern "C" {
#include <libavutil/hwcontext.h>
#include <libavutil/imgutils.h>
}

#include <algorithm>
#include <array>
#include <cmath>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "codec/convert.h"

namespace trickle {
namespace {

constexpr int kRowAlignment = 64;
constexpr size_t kPlaneTailBytes = 64;

// Slices differ in what they cost: all of them at once share the cores better than as many as there are
// cores.
int thread_count(const DecodeOptions& options) {
  if (options.threads > 0) return options.threads;
  const unsigned per_core = options.latency == Latency::kLow ? 2 : 1;
  return static_cast<int>(std::clamp(per_core * std::thread::hardware_concurrency(), 1U, 16U));
}

void release_piece(void* opaque, uint8_t* /*data*/) { delete static_cast<std::shared_ptr<uint8_t>*>(opaque); }

// The layout that libavcodec's own allocator makes, in a piece of our memory.
int get_buffer(AVCodecContext* context, AVFrame* frame, int flags) {
  auto& memory = *static_cast<DecoderCallbacks*>(context->opaque)->memory;
  const auto format = static_cast<AVPixelFormat>(frame->format);
  if (from_av(format) == PixelFormat::kNone || context->hw_frames_ctx != nullptr) {
    return avcodec_default_get_buffer2(context, frame, flags);
  }
  int width = frame->width;
  int height = frame->height;
  std::array<int, AV_NUM_DATA_POINTERS> alignments{};
  avcodec_align_dimensions2(context, &width, &height, alignments.data());
  std::array<int, 4> strides{};
  bool aligned = false;
  while (!aligned) {
    // Alignment of the luma's rows alone would leave the chroma's at the ratio that some decoders rely on.
    if (av_image_fill_linesizes(strides.data(), format, width) < 0) return AVERROR(EINVAL);
    width += width & ~(width - 1);
    aligned = true;
    for (size_t i = 0; i < strides.size(); ++i) {
      aligned = aligned && (alignments[i] == 0 || strides[i] % std::max(alignments[i], kRowAlignment) == 0);
    }
  }
  std::array<ptrdiff_t, 4> strides_bytes{};
  std::copy(strides.begin(), strides.end(), strides_bytes.begin());
  std::array<size_t, 4> sizes{};
  if (av_image_fill_plane_sizes(sizes.data(), format, height, strides_bytes.data()) < 0) {
    return AVERROR(EINVAL);
  }
  size_t total = 0;
  for (size_t& size : sizes) {
    if (size == 0) break;
    // Decoders may write a little past the end of a plane.
    size = (size + kPlaneTailBytes + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
    total += size;
  }
  auto piece = std::make_unique<std::shared_ptr<uint8_t>>(memory.take(total));
  if (!*piece) return AVERROR(ENOMEM);
  uint8_t* data = piece->get();
  frame->buf[0] = av_buffer_create(data, total, release_piece, piece.get(), 0);
  if (frame->buf[0] == nullptr) return AVERROR(ENOMEM);
  static_cast<void>(piece.release());  // The buffer frees it.
  for (size_t i = 0; i < sizes.size() && sizes[i] > 0; ++i) {
    frame->data[i] = data;
    frame->linesize[i] = strides[i];
    data += sizes[i];
  }
  frame->extended_data = frame->data;
  return 0;
}

AVPixelFormat choose_hardware_format(AVCodecContext* context, const AVPixelFormat* formats) {
  const AVPixelFormat wanted = static_cast<DecoderCallbacks*>(context->opaque)->hardware_format;
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
                                                         Rational time_base, const DecodeOptions& options,
                                                         std::shared_ptr<FrameMemory> memory) {
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
  context->thread_type = options.latency == Latency::kLow ? FF_THREAD_SLICE : FF_THREAD_FRAME;
  context->thread_count = thread_count(options);
  std::unique_ptr<VideoDecoder> decoder(new VideoDecoder(std::move(context)));
  decoder->context_->opaque = &decoder->callbacks_;
  if (memory && (codec->capabilities & AV_CODEC_CAP_DR1) != 0) {
    decoder->callbacks_.memory = std::move(memory);
    decoder->context_->get_buffer2 = get_buffer;
  }
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
  for (int i = 0; callbacks_.hardware_format == AV_PIX_FMT_NONE; ++i) {
    const AVCodecHWConfig* config = avcodec_get_hw_config(&codec, i);
    if (config == nullptr) {
      return unexpected(ErrorKind::kUsage,
                        fmt::format("--hwaccel {}: it can't decode {}", type_name, codec.name));
    }
    const bool by_device = (config->methods & AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX) != 0;
    if (by_device && config->device_type == type) callbacks_.hardware_format = config->pix_fmt;
  }
  AVBufferRef* device = nullptr;
  if (const int code = av_hwdevice_ctx_create(&device, type, nullptr, nullptr, 0); code < 0) {
    return unexpected(ErrorKind::kUsage, fmt::format("--hwaccel {} is not available on this machine: {}",
                                                     type_name, av_error_text(code)));
  }
  hardware_.reset(device);
  context_->hw_device_ctx = av_buffer_ref(device);
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
  if (frame->format == callbacks_.hardware_format && hardware_) {
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
