#include "fx/rgb_rows.h"

#include <algorithm>
#include <cmath>

namespace trickle::fx {
namespace {

// Where the components of a packed RGB pixel lie.
struct PackedRgb {
  int step, red, green, blue;
};

PackedRgb packed_rgb(PixelFormat format) {
  switch (format) {
    case PixelFormat::kRgba:
      return {4, 0, 1, 2};
    case PixelFormat::kBgra:
      return {4, 2, 1, 0};
    default:
      return {3, 0, 1, 2};
  }
}

int code(float value, int highest) { return std::clamp(static_cast<int>(std::lrintf(value)), 0, highest); }

template <typename Sample>
Sample* row_of(const VideoFrame& frame, size_t plane, int row) {
  return reinterpret_cast<Sample*>(frame.planes[plane].data + row * frame.planes[plane].stride_bytes);
}

// The chroma samples of a row: in planes of their own, or interleaved in one (NV12).
template <typename Sample>
struct ChromaRow {
  ChromaRow(const VideoFrame& frame, int row) {
    const bool interleaved = frame.format == PixelFormat::kNv12;
    step = interleaved ? 2 : 1;
    u = row_of<Sample>(frame, 1, row);
    v = interleaved ? u + 1 : row_of<Sample>(frame, 2, row);
  }
  Sample* u;
  Sample* v;
  int step;
};

template <typename Sample>
void load_yuv_row(const VideoFrame& frame, const PixelFormatInfo& info, const FloatMatrix& m, int y,
                  RgbRow& row) {
  const auto* luma = row_of<Sample>(frame, 0, y);
  const ChromaRow<Sample> chroma(frame, y >> info.log2_chroma_h);
  for (int x = 0; x < frame.width; ++x) {
    const int cx = (x >> info.log2_chroma_w) * chroma.step;
    const auto Y = static_cast<float>(luma[x]);
    const auto U = static_cast<float>(chroma.u[cx]);
    const auto V = static_cast<float>(chroma.v[cx]);
    const auto component = [&](size_t i) {
      return m.to_rgb[i][0] * Y + m.to_rgb[i][1] * U + m.to_rgb[i][2] * V + m.to_rgb_offset[i];
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
    row.red[at] = row.green[at] = row.blue[at] = m.to_rgb[0][0] * static_cast<float>(luma[x]) + offset;
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

void store_rgb_row(const RgbRow& row, int y, const VideoFrame& picture) {
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
  }
}

float yuv_component(const FloatMatrix& m, size_t i, float r, float g, float b) {
  return m.to_yuv[i][0] * r + m.to_yuv[i][1] * g + m.to_yuv[i][2] * b + m.to_yuv_offset[i];
}

template <typename Sample>
void store_luma_row(const RgbRow& row, const FloatMatrix& m, int highest, int y, const VideoFrame& picture) {
  auto* luma = row_of<Sample>(picture, 0, y);
  for (size_t x = 0; x < row.red.size(); ++x) {
    luma[x] = static_cast<Sample>(code(yuv_component(m, 0, row.red[x], row.green[x], row.blue[x]), highest));
  }
}

// `rows` are the picture's rows that share this chroma row: as many as there are, one at an odd bottom edge.
template <typename Sample>
void store_chroma_row(std::span<const RgbRow> rows, const PixelFormatInfo& info, const FloatMatrix& m,
                      int chroma_y, const VideoFrame& picture) {
  const int highest = (1 << info.bits) - 1;
  const ChromaRow<Sample> chroma(picture, chroma_y);
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
                    const VideoFrame& picture) {
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

}  // namespace

FloatMatrix::FloatMatrix(const YuvMatrix& m) {
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      to_rgb[i][j] = static_cast<float>(m.to_rgb[i][j]);
      to_yuv[i][j] = static_cast<float>(m.to_yuv[i][j]);
    }
    to_rgb_offset[i] = static_cast<float>(m.to_rgb_offset[i]);
    to_yuv_offset[i] = static_cast<float>(m.to_yuv_offset[i]);
  }
}

void load_row(const VideoFrame& frame, const FloatMatrix& m, int y, RgbRow& row) {
  const PixelFormatInfo& info = pixel_format_info(frame.format);
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

int rows_at_once(const VideoFrame& frame) { return 1 << pixel_format_info(frame.format).log2_chroma_h; }

void store_rows(std::span<const RgbRow> rows, const FloatMatrix& m, int y, const VideoFrame& picture) {
  const PixelFormatInfo& info = pixel_format_info(picture.format);
  if (!info.rgb) return store_yuv_rows(rows, info, m, y, picture);
  for (size_t i = 0; i < rows.size(); ++i) store_rgb_row(rows[i], y + static_cast<int>(i), picture);
}

}  // namespace trickle::fx
