#include "codec/video_encoder.h"

extern "C" {
#include <libavutil/opt.h>
}

#include <algorithm>
#include <array>
#include <climits>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "codec/convert.h"
#include "media/sample_range.h"

namespace trickle {
namespace {

constexpr std::array kCarried{AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_MPEG2VIDEO,
                              AV_CODEC_ID_MPEG1VIDEO, AV_CODEC_ID_MPEG4};
// For encoders that want to know before the first frame.
constexpr AVRational kAssumedFrameRate{30, 1};
// Lower slices than this cost more bits than they save time.
constexpr int kLeastSliceRows = 160;

const AVPixelFormat* formats_of(const AVCodec& codec) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 13, 100)
  const void* formats = nullptr;
  avcodec_get_supported_config(nullptr, &codec, AV_CODEC_CONFIG_PIX_FORMAT, 0, &formats, nullptr);
  return static_cast<const AVPixelFormat*>(formats);
#else
  return codec.pix_fmts;
#endif
}

const AVRational* rates_of(const AVCodec& codec) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 13, 100)
  const void* rates = nullptr;
  avcodec_get_supported_config(nullptr, &codec, AV_CODEC_CONFIG_FRAME_RATE, 0, &rates, nullptr);
  return static_cast<const AVRational*>(rates);
#else
  return codec.supported_framerates;
#endif
}

// MPEG-1, -2 and -4 video count in frames of a fixed rate; when each is shown is the container's to say.
bool counts_in_frames(const AVCodec& codec) {
  return codec.id == AV_CODEC_ID_MPEG1VIDEO || codec.id == AV_CODEC_ID_MPEG2VIDEO ||
         codec.id == AV_CODEC_ID_MPEG4;
}

void set_timing(AVCodecContext& context, const AVCodec& codec, Rational time_base, Rational frame_rate) {
  context.time_base = to_av(time_base);
  context.framerate = frame_rate.known() ? to_av(frame_rate) : kAssumedFrameRate;
  context.gop_size = INT_MAX / 2;  // Keyframes come when we ask for them.
  if (!counts_in_frames(codec)) return;
  if (const AVRational* rates = rates_of(codec))
    context.framerate = rates[av_find_nearest_q_idx(context.framerate, rates)];
  context.time_base = av_inv_q(context.framerate);
  context.gop_size = 600;  // The longest they allow.
}

bool takes(const AVCodec& codec, PixelFormat format) {
  const AVPixelFormat* formats = formats_of(codec);
  for (; formats != nullptr && *formats != AV_PIX_FMT_NONE; ++formats) {
    if (*formats == to_av(format)) return true;
  }
  return false;
}

// The picture's own format where the encoder takes it; RGB becomes what every player can show.
PixelFormat choose_format(const AVCodec& codec, PixelFormat format) {
  if (!pixel_format_info(format).rgb && takes(codec, format)) return format;
  const PixelFormatInfo& info = pixel_format_info(format);
  const bool deep = info.bits > 8;
  if (!info.rgb && deep && takes(codec, PixelFormat::kYuv420p10)) return PixelFormat::kYuv420p10;
  return PixelFormat::kYuv420p;
}

bool has_option(const AVCodec& codec, const char* key) {
  return codec.priv_class != nullptr && av_opt_find(const_cast<const AVClass**>(&codec.priv_class), key,
                                                    nullptr, 0, AV_OPT_SEARCH_FAKE_OBJ) != nullptr;
}

void set_if_known(AvDictionary& dictionary, const AVCodec& codec, const char* key, const std::string& value) {
  if (has_option(codec, key)) dictionary.set(key, value);
}

void set_rate(AVCodecContext& context, AvDictionary& dictionary, const AVCodec& codec,
              const EncodeOptions& options) {
  if (!options.bitrate && has_option(codec, "crf")) {
    dictionary.set("crf", fmt::format("{:g}", options.crf));
    return;
  }
  const uint64_t bits = options.bitrate.value_or(4'000'000);
  context.bit_rate = static_cast<int64_t>(bits);
  context.rc_max_rate = context.bit_rate;
  context.rc_buffer_size = static_cast<int>(std::min<uint64_t>(bits, INT_MAX));
}

// libx264 makes a slice for each core, of which one is done long before the other: keyframes of 720p take a
// quarter less time as four slices on two cores. 0: as the encoder does by itself.
int slice_threads(const EncodeOptions& options, int height) {
  if (options.threads != 0 || options.codec != "libx264") return options.threads;
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const int slices = std::min(2 * cores, height / kLeastSliceRows);
  return slices > cores ? slices : 0;
}

void set_picture(AVCodecContext& context, const VideoEncoder::Shape& shape, PixelFormat format) {
  context.width = shape.width;
  context.height = shape.height;
  context.pix_fmt = to_av(format);
  const bool from_rgb = pixel_format_info(shape.format).rgb;
  const uint8_t matrix =
      from_rgb && shape.color.matrix == AVCOL_SPC_RGB ? uint8_t{AVCOL_SPC_UNSPECIFIED} : shape.color.matrix;
  context.colorspace = static_cast<AVColorSpace>(matrix);
  context.color_primaries = static_cast<AVColorPrimaries>(shape.color.primaries);
  context.color_trc = static_cast<AVColorTransferCharacteristic>(shape.color.transfer);
  context.color_range = from_rgb ? AVCOL_RANGE_MPEG : to_av(shape.color.range);
  context.sample_aspect_ratio = to_av(shape.sample_aspect);
  if (shape.field_order != FieldOrder::kProgressive) {
    context.flags |= AV_CODEC_FLAG_INTERLACED_DCT | AV_CODEC_FLAG_INTERLACED_ME;
    context.field_order = shape.field_order == FieldOrder::kTopFirst ? AV_FIELD_TT : AV_FIELD_BB;
  }
}

}  // namespace

Result<AVCodecID> codec_of_encoder(const std::string& name) {
  const AVCodec* codec = avcodec_find_encoder_by_name(name.c_str());
  if (codec == nullptr || codec->type != AVMEDIA_TYPE_VIDEO) {
    return unexpected(ErrorKind::kUsage, fmt::format("--codec {}: there is no such video encoder", name));
  }
  if (std::find(kCarried.begin(), kCarried.end(), codec->id) == kCarried.end()) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("--codec {}: MPEG-TS can't carry {}", name, avcodec_get_name(codec->id)));
  }
  return codec->id;
}

VideoEncoder::Shape VideoEncoder::shape_of(const VideoFrame& frame) {
  return {frame.width, frame.height, frame.format, frame.color, frame.field_order, frame.sample_aspect};
}

VideoEncoder::Shape VideoEncoder::shape_of(const VideoTrackInfo& track) {
  return {track.width,        track.height, track.format, track.color, FieldOrder::kProgressive,
          track.sample_aspect};
}

Result<std::unique_ptr<VideoEncoder>> VideoEncoder::open(const EncodeOptions& options, const Shape& shape,
                                                         Rational time_base, Rational frame_rate) {
  const AVCodec* codec = avcodec_find_encoder_by_name(options.codec.c_str());
  CodecContextPtr context(codec != nullptr ? avcodec_alloc_context3(codec) : nullptr);
  if (!context) return unexpected(ErrorKind::kInternal, "out of memory for an encoder");
  const PixelFormat format = choose_format(*codec, shape.format);
  Shape taken = shape;
  taken.width &= ~((1 << pixel_format_info(format).log2_chroma_w) - 1);
  taken.height &= ~((1 << pixel_format_info(format).log2_chroma_h) - 1);
  if (taken.width < 1 || taken.height < 1) {
    return unexpected(ErrorKind::kBadData,
                      fmt::format("pictures of {}x{} are too small to be encoded as {}", shape.width,
                                  shape.height, pixel_format_info(format).name));
  }
  set_picture(*context, taken, format);
  set_timing(*context, *codec, time_base, frame_rate);
  context->max_b_frames = 0;
  const bool low_latency = options.latency == Latency::kLow;
  context->thread_count = low_latency ? slice_threads(options, taken.height) : options.threads;
  context->thread_type = low_latency ? FF_THREAD_SLICE : FF_THREAD_FRAME;
  if (low_latency) context->flags |= AV_CODEC_FLAG_LOW_DELAY;

  AvDictionary dictionary;
  set_if_known(dictionary, *codec, "preset", options.preset);
  if (options.latency == Latency::kLow) set_if_known(dictionary, *codec, "tune", "zerolatency");
  set_if_known(dictionary, *codec, "forced-idr", "1");
  set_rate(*context, dictionary, *codec, options);
  // libx264 takes the order of the first frame's fields from here only.
  const bool bottom_first = options.codec == "libx264" && shape.field_order == FieldOrder::kBottomFirst;
  if (bottom_first) dictionary.set("x264-params", "bff=1");
  for (const auto& [key, value] : options.options) {
    dictionary.set(key.c_str(), bottom_first && key == "x264-params" ? "bff=1:" + value : value);
  }
  if (const int code = avcodec_open2(context.get(), codec, dictionary.get()); code < 0) {
    return av_unexpected(ErrorKind::kUsage,
                         fmt::format("the encoder {} does not take these options", options.codec), code);
  }
  if (const char* unknown = dictionary.first_left_over()) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("the encoder {} has no option \"{}\"", options.codec, unknown));
  }
  std::unique_ptr<VideoEncoder> encoder(new VideoEncoder(std::move(context), shape, format));
  encoder->counts_frames_ = counts_in_frames(*codec);
  return encoder;
}

Result<void> VideoEncoder::encode(VideoFrame frame, int64_t ticks, bool keyframe, const Give& give) {
  VideoFrame valid = in_sample_range(even_sides(std::move(frame)));
  TRICKLE_TRY_ASSIGN(const VideoFrame picture,
                     scaler_.convert(std::move(valid), context_->width, context_->height, format_));
  const FramePtr av = to_av(picture);
  if (!av) return unexpected(ErrorKind::kInternal, "out of memory for a frame");
  av->pts = counts_frames_ ? next_number_++ : ticks;
  if (counts_frames_) ticks_.push_back(ticks);
  av->pict_type = keyframe ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
  if (const int code = avcodec_send_frame(context_.get(), av.get()); code < 0) {
    return av_unexpected(ErrorKind::kInternal, "encoding failed", code);
  }
  return give_packets(give);
}

Result<void> VideoEncoder::finish(const Give& give) {
  if (const int code = avcodec_send_frame(context_.get(), nullptr); code < 0 && code != AVERROR_EOF) {
    return av_unexpected(ErrorKind::kInternal, "encoding failed", code);
  }
  return give_packets(give);
}

Result<void> VideoEncoder::give_packets(const Give& give) {
  while (true) {
    const int code = avcodec_receive_packet(context_.get(), packet_.get());
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return {};
    if (code < 0) return av_unexpected(ErrorKind::kInternal, "encoding failed", code);
    if (counts_frames_ && !ticks_.empty()) {
      packet_->pts = packet_->dts = ticks_.front();
      packet_->duration = 0;
      ticks_.pop_front();
    }
    TRICKLE_TRY(give(*packet_));
    av_packet_unref(packet_.get());
  }
}

}  // namespace trickle
