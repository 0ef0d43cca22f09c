#include "fx/tensor_picture.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "fx/rgb_rows.h"

namespace trickle::fx {
namespace {

// Also turns NaN into 0: no comparison with it is true.
float clamp01(float value) { return value > 0 ? (value < 1 ? value : 1) : 0; }

void make_opaque(VideoFrame& picture) {
  for (int y = 0; y < picture.height; ++y) {
    uint8_t* row = picture.planes[0].data + y * picture.planes[0].stride_bytes;
    for (int x = 0; x < picture.width; ++x) row[4 * x + 3] = 255;
  }
}

// Where component `channel` of pixel (0, y) lies in a tensor, and how far the next pixel's is.
struct TensorCursor {
  size_t offset, step;
};
TensorCursor tensor_cursor(const VideoFrame& frame, int channels, TensorLayout layout, int channel, int y) {
  const auto width = static_cast<size_t>(frame.width), height = static_cast<size_t>(frame.height);
  const auto c = static_cast<size_t>(channel), n = static_cast<size_t>(channels),
             row = static_cast<size_t>(y);
  if (layout == TensorLayout::kNhwc) return {row * width * n + c, n};
  return {(c * height + row) * width, 1};
}

void read_tensor_row(const float* values, const VideoFrame& frame, int channels, TensorLayout layout, int y,
                     RgbRow& row) {
  const std::array<std::vector<float>*, 3> components{&row.red, &row.green, &row.blue};
  for (int c = 0; c < 3; ++c) {
    const auto [offset, step] = tensor_cursor(frame, channels, layout, channels == 1 ? 0 : c, y);
    auto& out = *components[static_cast<size_t>(c)];
    for (size_t x = 0; x < out.size(); ++x) out[x] = clamp01(values[offset + x * step]);
  }
}

}  // namespace

void picture_to_floats(const VideoFrame& frame, TensorLayout layout, float* rgb) {
  const PixelFormatInfo& info = pixel_format_info(frame.format);
  const FloatMatrix m(yuv_matrix(frame.color, info.bits));
  RgbRow row(frame.width);
  const std::array<const std::vector<float>*, 3> components{&row.red, &row.green, &row.blue};
  for (int y = 0; y < frame.height; ++y) {
    load_row(frame, m, y, row);
    for (int c = 0; c < 3; ++c) {
      const auto [offset, step] = tensor_cursor(frame, 3, layout, c, y);
      const auto& in = *components[static_cast<size_t>(c)];
      for (size_t x = 0; x < in.size(); ++x) rgb[offset + x * step] = clamp01(in[x]);
    }
  }
}

void convert_picture(const VideoFrame& from, VideoFrame& to) {
  const FloatMatrix from_matrix(yuv_matrix(from.color, pixel_format_info(from.format).bits));
  const FloatMatrix to_matrix(yuv_matrix(to.color, pixel_format_info(to.format).bits));
  const int at_once = rows_at_once(to);
  if (to.format == PixelFormat::kRgba || to.format == PixelFormat::kBgra) make_opaque(to);
  std::vector<RgbRow> rows(static_cast<size_t>(at_once), RgbRow(to.width));
  for (int y = 0; y < to.height; y += at_once) {
    const int count = std::min(at_once, to.height - y);
    for (int i = 0; i < count; ++i) {
      RgbRow& row = rows[static_cast<size_t>(i)];
      load_row(from, from_matrix, y + i, row);
      for (auto* values : {&row.red, &row.green, &row.blue})
        std::ranges::transform(*values, values->begin(), clamp01);
    }
    store_rows(std::span(rows).first(static_cast<size_t>(count)), to_matrix, y, to);
  }
}

void floats_to_picture(const float* values, int channels, TensorLayout layout, VideoFrame& picture) {
  const PixelFormatInfo& info = pixel_format_info(picture.format);
  const FloatMatrix m(yuv_matrix(picture.color, info.bits));
  const int at_once = rows_at_once(picture);
  if (picture.format == PixelFormat::kRgba || picture.format == PixelFormat::kBgra) make_opaque(picture);
  std::vector<RgbRow> rows(static_cast<size_t>(at_once), RgbRow(picture.width));
  for (int y = 0; y < picture.height; y += at_once) {
    const int count = std::min(at_once, picture.height - y);
    for (int i = 0; i < count; ++i) {
      read_tensor_row(values, picture, channels, layout, y + i, rows[static_cast<size_t>(i)]);
    }
    store_rows(std::span(rows).first(static_cast<size_t>(count)), m, y, picture);
  }
}

}  // namespace trickle::fx
