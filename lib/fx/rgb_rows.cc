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

// What comes here is never below -0.5, so that cutting off rounds; a call of lrintf() would keep loops from
// vectors.
// NOLINTNEXTLINE(bugprone-incorrect-roundings)
int code(float value, int highest) { return std::min(static_cast<int>(value + 0.5F), highest); }

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

// The coefficients are copied and the rows taken as pointers, here and below: only so does the compiler know
// that what is written changes nothing that is read, and make vectors of the loops.
template <typename Sample>
void load_yuv_row(const VideoFrame& frame, const PixelFormatInfo& info, const FloatMatrix& m, int y,
                  RgbRow& row) {
  const Sample* __restrict luma = row_of<Sample>(frame, 0, y);
  const ChromaRow<Sample> chroma(frame, y >> info.log2_chroma_h);
  float* __restrict red = row.red.data();
  float* __restrict green = row.green.data();
  float* __restrict blue = row.blue.data();
  // First what chroma adds, spread over the pixels that it covers, and then luma.
  const int shift = info.log2_chroma_w;
  for (int x = 0; x < frame.width; ++x) {
    const int cx = (x >> shift) * chroma.step;
    red[x] = static_cast<float>(chroma.u[cx]);
    green[x] = static_cast<float>(chroma.v[cx]);
  }
  const auto k = m.to_rgb;
  const auto offset = m.to_rgb_offset;
  for (int x = 0; x < frame.width; ++x) {
    const auto Y = static_cast<float>(luma[x]);
    const float U = red[x], V = green[x];
    red[x] = k[0][0] * Y + k[0][1] * U + k[0][2] * V + offset[0];
    green[x] = k[1][0] * Y + k[1][1] * U + k[1][2] * V + offset[1];
    blue[x] = k[2][0] * Y + k[2][1] * U + k[2][2] * V + offset[2];
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
  // NOLINTNEXTLINE(bugprone-incorrect-roundings): as in code().
  const auto to_byte = [](float value) { return static_cast<uint8_t>(255.0F * value + 0.5F); };
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

template <typename Sample>
void store_luma_row(const RgbRow& row, const FloatMatrix& m, int highest, int y, const VideoFrame& picture) {
  Sample* __restrict luma = row_of<Sample>(picture, 0, y);
  const float* __restrict red = row.red.data();
  const float* __restrict green = row.green.data();
  const float* __restrict blue = row.blue.data();
  const auto k = m.to_yuv[0];
  const float offset = m.to_yuv_offset[0];
  const size_t width = row.red.size();
  for (size_t x = 0; x < width; ++x) {
    luma[x] = static_cast<Sample>(code(k[0] * red[x] + k[1] * green[x] + k[2] * blue[x] + offset, highest));
  }
}

// `rows` are the picture's rows that share this chroma row: as many as there are, one at an odd bottom edge.
template <typename Sample>
void store_chroma_row(std::span<const RgbRow> rows, const PixelFormatInfo& info, const FloatMatrix& m,
                      int chroma_y, const VideoFrame& picture) {
  const int highest = (1 << info.bits) - 1;
  const ChromaRow<Sample> chroma(picture, chroma_y);
  Sample* __restrict u = chroma.u;
  Sample* __restrict v = chroma.v;
  const int chroma_width = (picture.width + (1 << info.log2_chroma_w) - 1) >> info.log2_chroma_w;
  const auto to_u = m.to_yuv[1], to_v = m.to_yuv[2];
  const float offset_u = m.to_yuv_offset[1], offset_v = m.to_yuv_offset[2];
  const RgbRow& upper = rows.front();
  const RgbRow& lower = rows.back();  // The same where there is but one.
  for (int cx = 0; cx < chroma_width; ++cx) {
    const auto left = static_cast<size_t>(cx) << info.log2_chroma_w;
    const auto right =
        std::min(left + (size_t{1} << info.log2_chroma_w) - 1, static_cast<size_t>(picture.width) - 1);
    const auto mean = [&](const std::vector<float>& a, const std::vector<float>& b) {
      return 0.25F * (a[left] + a[right] + b[left] + b[right]);
    };
    const float r = mean(upper.red, lower.red);
    const float g = mean(upper.green, lower.green);
    const float b = mean(upper.blue, lower.blue);
    u[cx * chroma.step] =
        static_cast<Sample>(code(to_u[0] * r + to_u[1] * g + to_u[2] * b + offset_u, highest));
    v[cx * chroma.step] =
        static_cast<Sample>(code(to_v[0] * r + to_v[1] * g + to_v[2] * b + offset_v, highest));
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
