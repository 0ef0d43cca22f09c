#include "codec/picture_scaler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/try.h"
#include "codec/convert.h"

namespace trickle {
namespace {

int even_up(double side) { return static_cast<int>(std::lround(side / 2.0)) * 2; }

int round_down(int side, int shift) { return side & ~((1 << shift) - 1); }

// swscale's number for a matrix; what is not signalled is BT.601.
const int* coefficients(uint8_t matrix) {
  int space = SWS_CS_ITU601;
  if (matrix == AVCOL_SPC_BT709) space = SWS_CS_ITU709;
  if (matrix == AVCOL_SPC_FCC) space = SWS_CS_FCC;
  if (matrix == AVCOL_SPC_SMPTE240M) space = SWS_CS_SMPTE240M;
  if (matrix == AVCOL_SPC_BT2020_NCL || matrix == AVCOL_SPC_BT2020_CL) space = SWS_CS_BT2020;
  return sws_getCoefficients(space);
}

bool full_range(PixelFormat format, const ColorProperties& color) {
  return pixel_format_info(format).rgb || color.range == ColorProperties::Range::kFull;
}

// RGB has no matrix of its own; it remembers its source's, so that the way back is the way it came.
ColorProperties color_after(const ColorProperties& color, PixelFormat from, PixelFormat to) {
  ColorProperties result = color;
  if (!pixel_format_info(from).rgb && pixel_format_info(to).rgb) {
    result.range = ColorProperties::Range::kFull;
  } else if (pixel_format_info(from).rgb && !pixel_format_info(to).rgb) {
    result.range = ColorProperties::Range::kLimited;
    if (result.matrix == AVCOL_SPC_RGB) result.matrix = AVCOL_SPC_UNSPECIFIED;
  }
  return result;
}

// Moves the view `left` and `top` pixels in; offsets are rounded down to what the subsampling allows.
void cut(VideoFrame& frame, int left, int top, int width, int height) {
  const PixelFormatInfo& info = pixel_format_info(frame.format);
  left = round_down(left, info.log2_chroma_w);
  top = round_down(top, info.log2_chroma_h);
  for (int plane = 0; plane < info.planes; ++plane) {
    const bool chroma = plane == 1 || plane == 2;
    Plane& view = frame.planes[static_cast<size_t>(plane)];
    view.data +=
        (top >> (chroma ? info.log2_chroma_h : 0)) * view.stride_bytes +
        (left >> (chroma ? info.log2_chroma_w : 0)) * info.bytes_per_sample[static_cast<size_t>(plane)];
  }
  frame.width = width;
  frame.height = height;
}

}  // namespace

CoverPlan plan_cover(int width, int height, int target_width, int target_height) {
  CoverPlan plan{target_width, target_height, 0, 0};
  const double across = static_cast<double>(target_width) / width;
  const double down = static_cast<double>(target_height) / height;
  if (across < down) plan.scaled_width = std::max(even_up(width * down), target_width);
  if (down < across) plan.scaled_height = std::max(even_up(height * across), target_height);
  plan.left = (plan.scaled_width - target_width) / 2;
  plan.top = (plan.scaled_height - target_height) / 2;
  return plan;
}

VideoFrame even_sides(VideoFrame frame) {
  const PixelFormatInfo& info = pixel_format_info(frame.format);
  frame.width = round_down(frame.width, info.log2_chroma_w);
  frame.height = round_down(frame.height, info.log2_chroma_h);
  return frame;
}

Result<void> PictureScaler::prepare(const Key& key) {
  if (sws_ && key == key_) return {};
  sws_.reset(sws_getContext(key.from_width, key.from_height, to_av(key.from_format), key.to_width,
                            key.to_height, to_av(key.to_format), SWS_BICUBIC, nullptr, nullptr, nullptr));
  if (!sws_) {
    return unexpected(ErrorKind::kInternal,
                      fmt::format("can't convert {}x{} {} to {}x{} {}", key.from_width, key.from_height,
                                  pixel_format_info(key.from_format).name, key.to_width, key.to_height,
                                  pixel_format_info(key.to_format).name));
  }
  const ColorProperties after = color_after(key.color, key.from_format, key.to_format);
  sws_setColorspaceDetails(sws_.get(), coefficients(key.color.matrix),
                           full_range(key.from_format, key.color) ? 1 : 0, coefficients(after.matrix),
                           full_range(key.to_format, after) ? 1 : 0, 0, 1 << 16, 1 << 16);
  key_ = key;
  return {};
}

Result<VideoFrame> PictureScaler::convert(VideoFrame frame, int width, int height, PixelFormat format) {
  const PixelFormatInfo& info = pixel_format_info(format);
  width = round_down(width, info.log2_chroma_w);
  height = round_down(height, info.log2_chroma_h);
  if (frame.format == format && frame.width == width && frame.height == height) return frame;
  if (frame.width < 1 || frame.height < 1 || width < 1 || height < 1) {
    return unexpected(ErrorKind::kBadData, "a picture without pixels can't be scaled");
  }
  const CoverPlan plan = plan_cover(frame.width, frame.height, width, height);
  const Key key{frame.width,       frame.height,       frame.format, frame.color,
                plan.scaled_width, plan.scaled_height, format};
  TRICKLE_TRY(prepare(key));
  VideoFrame picture = make_padded_frame(*memory_, format, plan.scaled_width, plan.scaled_height);
  if (!picture.memory) return unexpected(ErrorKind::kInternal, "out of memory for a picture");

  std::array<const uint8_t*, 4> from{};
  std::array<int, 4> from_strides{};
  std::array<uint8_t*, 4> to{};
  std::array<int, 4> to_strides{};
  for (size_t plane = 0; plane < 4; ++plane) {
    from[plane] = frame.planes[plane].data;
    from_strides[plane] = static_cast<int>(frame.planes[plane].stride_bytes);
    to[plane] = picture.planes[plane].data;
    to_strides[plane] = static_cast<int>(picture.planes[plane].stride_bytes);
  }
  if (const int rows = sws_scale(sws_.get(), from.data(), from_strides.data(), 0, frame.height, to.data(),
                                 to_strides.data());
      rows < 0) {
    return av_unexpected(ErrorKind::kInternal, "scaling failed", rows);
  }
  copy_properties(frame, picture);
  picture.color = color_after(frame.color, frame.format, format);
  cut(picture, plan.left, plan.top, width, height);
  return picture;
}

}  // namespace trickle
