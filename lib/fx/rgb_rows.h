// Rows of any picture as floats: the form in which every pixel format meets.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "fx/yuv_matrix.h"
#include "trickle/frame.h"

namespace trickle::fx {

/// Red, green and blue of one row, full scale being 1; not clamped.
struct RgbRow {
  explicit RgbRow(int width) : red(static_cast<size_t>(width)), green(red), blue(red) {}
  std::vector<float> red, green, blue;
};

/// Single-precision copy of a YuvMatrix: enough for 10 bits, and twice as many lanes.
struct FloatMatrix {
  explicit FloatMatrix(const YuvMatrix& m);
  std::array<std::array<float, 3>, 3> to_rgb{}, to_yuv{};
  std::array<float, 3> to_rgb_offset{}, to_yuv_offset{};
};

/// Reads row `y`; subsampled chroma is replicated. `m` is that of the frame's matrix and range. Codes outside
/// the RGB cube leave [0,1].
void load_row(const VideoFrame& frame, const FloatMatrix& m, int y, RgbRow& row);

/// Rows that share their chroma: 1 or 2.
[[nodiscard]] int rows_at_once(const VideoFrame& frame);

/// Writes the rows from `y` on, as many as there are: rows_at_once(), or less at an odd bottom edge. What
/// they hold must be in [0,1]; chroma is the mean of the pixels it covers. Alpha is left as it is.
void store_rows(std::span<const RgbRow> rows, const FloatMatrix& m, int y, const VideoFrame& picture);

}  // namespace trickle::fx
