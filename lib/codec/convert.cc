#include "codec/convert.h"

extern "C" {
#include <libavutil/display.h>
#include <libavutil/mathematics.h>
#include <libavutil/pixdesc.h>
}

#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/try.h"

namespace trickle {
namespace {

struct FormatPair {
  PixelFormat ours;
  AVPixelFormat av;
};

constexpr std::array<FormatPair, 12> kFormats{{
    {PixelFormat::kYuv420p, AV_PIX_FMT_YUV420P},
    {PixelFormat::kYuv422p, AV_PIX_FMT_YUV422P},
    {PixelFormat::kYuv444p, AV_PIX_FMT_YUV444P},
    {PixelFormat::kYuv420p10, AV_PIX_FMT_YUV420P10LE},
    {PixelFormat::kYuv422p10, AV_PIX_FMT_YUV422P10LE},
    {PixelFormat::kYuv444p10, AV_PIX_FMT_YUV444P10LE},
    {PixelFormat::kNv12, AV_PIX_FMT_NV12},
    {PixelFormat::kGray8, AV_PIX_FMT_GRAY8},
    {PixelFormat::kRgb24, AV_PIX_FMT_RGB24},
    {PixelFormat::kRgba, AV_PIX_FMT_RGBA},
    {PixelFormat::kBgra, AV_PIX_FMT_BGRA},
    {PixelFormat::kGbrp, AV_PIX_FMT_GBRP},
}};

FieldOrder field_order_of(const AVFrame& frame) {
#ifdef AV_FRAME_FLAG_INTERLACED
  const bool interlaced = (frame.flags & AV_FRAME_FLAG_INTERLACED) != 0;
  const bool top_first = (frame.flags & AV_FRAME_FLAG_TOP_FIELD_FIRST) != 0;
#else
  const bool interlaced = frame.interlaced_frame != 0;
  const bool top_first = frame.top_field_first != 0;
#endif
  if (!interlaced) return FieldOrder::kProgressive;
  return top_first ? FieldOrder::kTopFirst : FieldOrder::kBottomFirst;
}

void set_field_order(AVFrame& frame, FieldOrder order) {
#ifdef AV_FRAME_FLAG_INTERLACED
  if (order != FieldOrder::kProgressive) frame.flags |= AV_FRAME_FLAG_INTERLACED;
  if (order == FieldOrder::kTopFirst) frame.flags |= AV_FRAME_FLAG_TOP_FIELD_FIRST;
#else
  frame.interlaced_frame = order != FieldOrder::kProgressive ? 1 : 0;
  frame.top_field_first = order == FieldOrder::kTopFirst ? 1 : 0;
#endif
}

void release_memory(void* opaque, uint8_t* /*data*/) { delete static_cast<std::shared_ptr<void>*>(opaque); }

bool is_full_range_twin(int format) {
  return format == AV_PIX_FMT_YUVJ420P || format == AV_PIX_FMT_YUVJ422P || format == AV_PIX_FMT_YUVJ444P;
}

}  // namespace

AVPixelFormat to_av(PixelFormat format) {
  for (const auto& pair : kFormats) {
    if (pair.ours == format) return pair.av;
  }
  return AV_PIX_FMT_NONE;
}

PixelFormat from_av(AVPixelFormat format) {
  if (format == AV_PIX_FMT_YUVJ420P) return PixelFormat::kYuv420p;
  if (format == AV_PIX_FMT_YUVJ422P) return PixelFormat::kYuv422p;
  if (format == AV_PIX_FMT_YUVJ444P) return PixelFormat::kYuv444p;
  for (const auto& pair : kFormats) {
    if (pair.av == format) return pair.ours;
  }
  return PixelFormat::kNone;
}

PixelFormat nearest_to(AVPixelFormat format) {
  if (const PixelFormat same = from_av(format); same != PixelFormat::kNone) return same;
  std::array<AVPixelFormat, kFormats.size() + 1> candidates{};
  for (size_t i = 0; i < kFormats.size(); ++i) candidates[i] = kFormats[i].av;
  candidates.back() = AV_PIX_FMT_NONE;
  const AVPixFmtDescriptor* descriptor = av_pix_fmt_desc_get(format);
  const int has_alpha = descriptor != nullptr && (descriptor->flags & AV_PIX_FMT_FLAG_ALPHA) != 0 ? 1 : 0;
  int loss = 0;
  return from_av(avcodec_find_best_pix_fmt_of_list(candidates.data(), format, has_alpha, &loss));
}

PixelFormat from_raw_tag(uint32_t codec_tag) {
  for (const auto& pair : kFormats) {
    if (codec_tag != 0 && avcodec_pix_fmt_to_codec_tag(pair.av) == codec_tag) return pair.ours;
  }
  return PixelFormat::kNone;
}

ColorProperties color_from_av(AVColorSpace matrix, AVColorPrimaries primaries,
                              AVColorTransferCharacteristic transfer, AVColorRange range) {
  ColorProperties color;
  color.matrix = static_cast<uint8_t>(matrix);
  color.primaries = static_cast<uint8_t>(primaries);
  color.transfer = static_cast<uint8_t>(transfer);
  if (range == AVCOL_RANGE_MPEG) color.range = ColorProperties::Range::kLimited;
  if (range == AVCOL_RANGE_JPEG) color.range = ColorProperties::Range::kFull;
  return color;
}

AVColorRange to_av(ColorProperties::Range range) {
  switch (range) {
    case ColorProperties::Range::kLimited:
      return AVCOL_RANGE_MPEG;
    case ColorProperties::Range::kFull:
      return AVCOL_RANGE_JPEG;
    case ColorProperties::Range::kUnspecified:
      break;
  }
  return AVCOL_RANGE_UNSPECIFIED;
}

VideoFrame view_of(FramePtr frame) {
  VideoFrame view;
  view.format = from_av(static_cast<AVPixelFormat>(frame->format));
  const PixelFormatInfo& info = pixel_format_info(view.format);
  view.width = frame->width & ~((1 << info.log2_chroma_w) - 1);
  view.height = frame->height & ~((1 << info.log2_chroma_h) - 1);
  for (size_t plane = 0; plane < static_cast<size_t>(info.planes); ++plane) {
    view.planes[plane] = {frame->data[plane], frame->linesize[plane]};
  }
  view.color = color_from_av(frame->colorspace, frame->color_primaries, frame->color_trc, frame->color_range);
  if (is_full_range_twin(frame->format)) view.color.range = ColorProperties::Range::kFull;
  view.field_order = field_order_of(*frame);
  view.sample_aspect = from_av(frame->sample_aspect_ratio);
  // Pictures that the decoder still predicts from (or will show again) have other references.
  view.exclusive = av_frame_is_writable(frame.get()) > 0;
  view.memory = std::shared_ptr<AVFrame>(std::move(frame));
  return view;
}

int rotation_of_matrix(const int32_t* matrix) {
  const double counter_clockwise = av_display_rotation_get(matrix);
  if (std::isnan(counter_clockwise)) return 0;
  return (static_cast<int>(std::lround(-counter_clockwise / 90.0)) * 90 % 360 + 360) % 360;
}

std::optional<int> rotation_of(const AVFrame& frame) {
  const AVFrameSideData* data = av_frame_get_side_data(&frame, AV_FRAME_DATA_DISPLAYMATRIX);
  if (data == nullptr || data->size < 9 * sizeof(int32_t)) return std::nullopt;
  return rotation_of_matrix(reinterpret_cast<const int32_t*>(data->data));
}

FramePtr to_av(const VideoFrame& frame) {
  FramePtr av(av_frame_alloc());
  if (!av) return nullptr;
  auto memory = std::make_unique<std::shared_ptr<void>>(frame.memory);
  av->buf[0] =
      av_buffer_create(frame.planes[0].data, 1, release_memory, memory.get(), AV_BUFFER_FLAG_READONLY);
  if (av->buf[0] == nullptr) return nullptr;
  static_cast<void>(memory.release());  // The buffer frees it.
  av->format = to_av(frame.format);
  av->width = frame.width;
  av->height = frame.height;
  for (size_t plane = 0; plane < frame.planes.size(); ++plane) {
    av->data[plane] = frame.planes[plane].data;
    av->linesize[plane] = static_cast<int>(frame.planes[plane].stride_bytes);
  }
  av->colorspace = static_cast<AVColorSpace>(frame.color.matrix);
  av->color_primaries = static_cast<AVColorPrimaries>(frame.color.primaries);
  av->color_trc = static_cast<AVColorTransferCharacteristic>(frame.color.transfer);
  av->color_range = to_av(frame.color.range);
  av->sample_aspect_ratio = to_av(frame.sample_aspect);
  av->pts = frame.timestamp.ticks;
  set_field_order(*av, frame.field_order);
  return av;
}

Result<void> set_extradata(AVCodecParameters& parameters, std::span<const uint8_t> bytes) {
  if (bytes.empty()) return {};
  parameters.extradata = static_cast<uint8_t*>(av_mallocz(bytes.size() + AV_INPUT_BUFFER_PADDING_SIZE));
  if (parameters.extradata == nullptr) return unexpected(ErrorKind::kInternal, "out of memory");
  std::memcpy(parameters.extradata, bytes.data(), bytes.size());
  parameters.extradata_size = static_cast<int>(bytes.size());
  return {};
}

Result<CodecParametersPtr> to_av(const AudioTrackInfo& track) {
  const AVCodecDescriptor* codec = avcodec_descriptor_get_by_name(track.codec.c_str());
  CodecParametersPtr parameters(avcodec_parameters_alloc());
  if (codec == nullptr || !parameters) {
    return unexpected(ErrorKind::kBadData, fmt::format("audio of codec \"{}\" is unknown", track.codec));
  }
  parameters->codec_type = AVMEDIA_TYPE_AUDIO;
  parameters->codec_id = codec->id;
  parameters->sample_rate = track.sample_rate;
  parameters->frame_size = track.frame_size_samples;
  av_channel_layout_default(&parameters->ch_layout, track.channels);
  parameters->bits_per_coded_sample = av_get_bits_per_sample(codec->id);
  parameters->block_align = parameters->bits_per_coded_sample * track.channels / 8;
  TRICKLE_TRY(set_extradata(*parameters, track.extradata));
  return parameters;
}

int64_t rescale(int64_t ticks, Rational from, Rational to) {
  return av_rescale_q_rnd(ticks, to_av(from), to_av(to),
                          static_cast<AVRounding>(AV_ROUND_NEAR_INF | AV_ROUND_PASS_MINMAX));
}

}  // namespace trickle
