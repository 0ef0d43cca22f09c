#include "fx/tensor_picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "fx/yuv_matrix.h"

namespace trickle::fx {
namespace {

// One row as three rows of floats: the form in which every layout and format meets.
struct RgbRow {
  explicit RgbRow(int width) : red(static_cast<size_t>(width)), green(red), blue(red) {}
  std::vector<float> red, green, blue;
};

// Where the components of a packed RGB pixel lie.
struct PackedRgb {
  int step, red, green, blue, alpha;
};

PackedRgb packed_rgb(PixelFormat format) {
  switch (format) {
    case PixelFormat::kRgba:
      return {4, 0, 1, 2, 3};
    case PixelFormat::kBgra:
      return {4, 2, 1, 0, 3};
    default:
      return {3, 0, 1, 2, -1};
  }
}

// Single-precision copy of a YuvMatrix: enough for 10 bits, and twice as many lanes.
struct FloatMatrix {
  explicit FloatMatrix(const YuvMatrix& m) {
    for (size_t i = 0; i < 3; ++i) {
      for (size_t j = 0; j < 3; ++j) {
        to_rgb[i][j] = static_cast<float>(m.to_rgb[i][j]);
        to_yuv[i][j] = static_cast<float>(m.to_yuv[i][j]);
      }
      to_rgb_offset[i] = static_cast<float>(m.to_rgb_offset[i]);
      to_yuv_offset[i] = static_cast<float>(m.to_yuv_offset[i]);
    }
  }
  std::array<std::array<float, 3>, 3> to_rgb{}, to_yuv{};
  std::array<float, 3> to_rgb_offset{}, to_yuv_offset{};
};

// Also turns NaN into 0: no comparison with it is true.
float clamp01(float value) { return value > 0 ? (value < 1 ? value : 1) : 0; }

int code(float value, int highest) { return std::clamp(static_cast<int>(std::lrintf(value)), 0, highest); }

template <typename Sample>
const Sample* row_of(const VideoFrame& frame, size_t plane, int row) {
  return reinterpret_cast<const Sample*>(frame.planes[plane].data + row * frame.planes[plane].stride_bytes);
}
template <typename Sample>
Sample* row_of(VideoFrame& frame, size_t plane, int row) {
  return reinterpret_cast<Sample*>(frame.planes[plane].data + row * frame.planes[plane].stride_bytes);
}

// The chroma samples of a row: in planes of their own, or interleaved in one (NV12).
template <typename Frame, typename Sample>
struct ChromaRow {
  ChromaRow(Frame& frame, int row) {
    const bool interleaved = frame.format == PixelFormat::kNv12;
    step = interleaved ? 2 : 1;
    u = row_of<Sample>(frame, 1, row);
    v = interleaved ? u + 1 : row_of<Sample>(frame, 2, row);
  }
  decltype(row_of<Sample>(std::declval<Frame&>(), 0, 0)) u, v;
  int step;
};

template <typename Sample>
void load_yuv_row(const VideoFrame& frame, const PixelFormatInfo& info, const FloatMatrix& m, int y,
                  RgbRow& row) {
  const auto* luma = row_of<Sample>(frame, 0, y);
  const ChromaRow<const VideoFrame, Sample> chroma(frame, y >> info.log2_chroma_h);
  for (int x = 0; x < frame.width; ++x) {
    const int cx = (x >> info.log2_chroma_w) * chroma.step;
    const auto Y = static_cast<float>(luma[x]);
    const auto U = static_cast<float>(chroma.u[cx]);
    const auto V = static_cast<float>(chroma.v[cx]);
    const auto component = [&](size_t i) {
      return clamp01(m.to_rgb[i][0] * Y + m.to_rgb[i][1] * U + m.to_rgb[i][2] * V + m.to_rgb_offset[i]);
    };
    const auto at = static_cast<size_t>(x);
    row.red[at] = component(0);
    row.green[at] = component(1);
    row.blue[at] = component(2);
  }
}

// Grey is luma without chroma: the same range rules, no colour.
void load_grey_row(const VideoFrame& frame, const FloatMatrix& m, int y, RgbRow& row) {
  const auto* luma = row_of<uint8_t>(frame, 0, y);
  const float offset = m.to_rgb_offset[0] + (m.to_rgb[0][1] + m.to_rgb[0][2]) * m.to_yuv_offset[1];
  for (int x = 0; x < frame.width; ++x) {
    const auto at = static_cast<size_t>(x);
    row.red[at] = row.green[at] = row.blue[at] =
        clamp01(m.to_rgb[0][0] * static_cast<float>(luma[x]) + offset);
  }
}

void load_rgb_row(const VideoFrame& frame, int y, RgbRow& row) {
  constexpr float kScale = 1.0F / 255.0F;
  if (frame.format == PixelFormat::kGbrp) {
    const std::array<std::vector<float>*, 3> planes{&row.green, &row.blue, &row.red};
    for (size_t plane = 0; plane < 3; ++plane) {
      const auto* samples = row_of<uint8_t>(frame, plane, y);
      for (size_t x = 0; x < planes[plane]->size(); ++x)
        (*planes[plane])[x] = kScale * static_cast<float>(samples[x]);
    }
    return;
  }
  const PackedRgb at = packed_rgb(frame.format);
  const auto* pixel = row_of<uint8_t>(frame, 0, y);
  for (size_t x = 0; x < row.red.size(); ++x, pixel += at.step) {
    row.red[x] = kScale * static_cast<float>(pixel[at.red]);
    row.green[x] = kScale * static_cast<float>(pixel[at.green]);
    row.blue[x] = kScale * static_cast<float>(pixel[at.blue]);
  }
}

void load_row(const VideoFrame& frame, const PixelFormatInfo& info, const FloatMatrix& m, int y,
              RgbRow& row) {
  if (info.rgb) {
    load_rgb_row(frame, y, row);
  } else if (frame.format == PixelFormat::kGray8) {
    load_grey_row(frame, m, y, row);
  } else if (info.bits > 8) {
    load_yuv_row<uint16_t>(frame, info, m, y, row);
  } else {
    load_yuv_row<uint8_t>(frame, info, m, y, row);
  }
}

void store_rgb_row(const RgbRow& row, int y, VideoFrame& picture) {
  const auto to_byte = [](float value) { return static_cast<uint8_t>(std::lrintf(255.0F * value)); };
  if (picture.format == PixelFormat::kGbrp) {
    const std::array<const std::vector<float>*, 3> planes{&row.green, &row.blue, &row.red};
    for (size_t plane = 0; plane < 3; ++plane) {
      auto* samples = row_of<uint8_t>(picture, plane, y);
      std::transform(planes[plane]->begin(), planes[plane]->end(), samples, to_byte);
    }
    return;
  }
  const PackedRgb at = packed_rgb(picture.format);
  auto* pixel = row_of<uint8_t>(picture, 0, y);
  for (size_t x = 0; x < row.red.size(); ++x, pixel += at.step) {
    pixel[at.red] = to_byte(row.red[x]);
    pixel[at.green] = to_byte(row.green[x]);
    pixel[at.blue] = to_byte(row.blue[x]);
    if (at.alpha >= 0) pixel[at.alpha] = 255;
  }
}

float yuv_component(const FloatMatrix& m, size_t i, float r, float g, float b) {
  return m.to_yuv[i][0] * r + m.to_yuv[i][1] * g + m.to_yuv[i][2] * b + m.to_yuv_offset[i];
}

template <typename Sample>
void store_luma_row(const RgbRow& row, const FloatMatrix& m, int highest, int y, VideoFrame& picture) {
  auto* luma = row_of<Sample>(picture, 0, y);
  for (size_t x = 0; x < row.red.size(); ++x) {
    luma[x] = static_cast<Sample>(code(yuv_component(m, 0, row.red[x], row.green[x], row.blue[x]), highest));
  }
}

// `rows` are the picture's rows that share this chroma row: as many as there are, one at an odd bottom edge.
template <typename Sample>
void store_chroma_row(std::span<const RgbRow> rows, const PixelFormatInfo& info, const FloatMatrix& m,
                      int chroma_y, VideoFrame& picture) {
  const int highest = (1 << info.bits) - 1;
  const ChromaRow<VideoFrame, Sample> chroma(picture, chroma_y);
  const int chroma_width = (picture.width + (1 << info.log2_chroma_w) - 1) >> info.log2_chroma_w;
  for (int cx = 0; cx < chroma_width; ++cx) {
    const int begin = cx << info.log2_chroma_w;
    const int end = std::min(picture.width, (cx + 1) << info.log2_chroma_w);
    float r = 0, g = 0, b = 0;
    for (const RgbRow& row : rows) {
      for (auto x = static_cast<size_t>(begin); x < static_cast<size_t>(end); ++x) {
        r += row.red[x];
        g += row.green[x];
        b += row.blue[x];
      }
    }
    const float share = 1.0F / static_cast<float>(rows.size() * static_cast<size_t>(end - begin));
    const float mean_r = share * r, mean_g = share * g, mean_b = share * b;
    chroma.u[cx * chroma.step] =
        static_cast<Sample>(code(yuv_component(m, 1, mean_r, mean_g, mean_b), highest));
    chroma.v[cx * chroma.step] =
        static_cast<Sample>(code(yuv_component(m, 2, mean_r, mean_g, mean_b), highest));
  }
}

void store_yuv_rows(std::span<const RgbRow> rows, const PixelFormatInfo& info, const FloatMatrix& m, int y,
                    VideoFrame& picture) {
  const int highest = (1 << info.bits) - 1;
  for (size_t i = 0; i < rows.size(); ++i) {
    const int row_y = y + static_cast<int>(i);
    if (info.bits > 8) {
      store_luma_row<uint16_t>(rows[i], m, highest, row_y, picture);
    } else {
      store_luma_row<uint8_t>(rows[i], m, highest, row_y, picture);
    }
  }
  if (picture.format == PixelFormat::kGray8) return;
  if (info.bits > 8) {
    store_chroma_row<uint16_t>(rows, info, m, y >> info.log2_chroma_h, picture);
  } else {
    store_chroma_row<uint8_t>(rows, info, m, y >> info.log2_chroma_h, picture);
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
    load_row(frame, info, m, y, row);
    for (int c = 0; c < 3; ++c) {
      const auto [offset, step] = tensor_cursor(frame, 3, layout, c, y);
      const auto& in = *components[static_cast<size_t>(c)];
      for (size_t x = 0; x < in.size(); ++x) rgb[offset + x * step] = in[x];
    }
  }
}

void floats_to_picture(const float* values, int channels, TensorLayout layout, VideoFrame& picture) {
  const PixelFormatInfo& info = pixel_format_info(picture.format);
  const FloatMatrix m(yuv_matrix(picture.color, info.bits));
  const int rows_at_once = 1 << info.log2_chroma_h;
  std::vector<RgbRow> rows(static_cast<size_t>(rows_at_once), RgbRow(picture.width));
  for (int y = 0; y < picture.height; y += rows_at_once) {
    const int count = std::min(rows_at_once, picture.height - y);
    for (int i = 0; i < count; ++i) {
      read_tensor_row(values, picture, channels, layout, y + i, rows[static_cast<size_t>(i)]);
      if (info.rgb) store_rgb_row(rows[static_cast<size_t>(i)], y + i, picture);
    }
    if (!info.rgb) store_yuv_rows(std::span(rows).first(static_cast<size_t>(count)), info, m, y, picture);
  }
}

}  // namespace trickle::fx
