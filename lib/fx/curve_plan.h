// Colour stages as a table of 256 bytes for each channel, for the vector kernels of 8-bit YUV.
//
// What a channel becomes before its first clamp is affine in Y, U and V. Divided by its factor of Y it is
// Y + t(U, V) in luma codes: with t rounded to a whole number, and moved to where the clamp's limits are
// bytes, an index. Everything that follows and keeps the channels apart (clamps, powers, further affine maps)
// is then one table, however much of it there is, and a last mixture that can't leave [0,1] joins the matrix
// back to YUV. Greys, whose t is 0, are looked up exactly; of the rest the rounding costs little where tables
// are not too steep, and make_curve_plan() refuses where they are.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "fx/color_fold.h"
#include "fx/yuv_matrix.h"

namespace trickle::fx {

/// What becomes of a channel's index.
struct ByteTable {
  alignas(64) uint8_t entries[256]{};
  /// The same for processors that look up 16 bytes at a time: entry i is entries[i] ^ entries[i - 16], in
  /// each half of the table from its own start.
  alignas(64) uint8_t steps[256]{};
};

struct CurvePlan {
  ByteTable tables[3];     ///< For R, G and B, each in units of its own.
  int16_t chroma[3][2]{};  ///< Factors of U and V << 8, their middle taken off, to 1/64 luma codes, Q15.
  int16_t shift[3]{};      ///< What is added to that.
  int8_t luma_out[3]{};    ///< What the tables' bytes are multiplied by for Y in 1/64 codes.
  int16_t luma_add = 0;    ///< With one half for rounding.
  /// Factors of 128 * byte for U and V in 1/64 codes, Q15, and their constants.
  int16_t chroma_out[2][3]{};
  int16_t chroma_add[2]{};
};

/// \param stages at least one. \return nothing where these stages are no tables, or would keep less than 55
/// dB of what the formula gives.
[[nodiscard]] std::optional<CurvePlan> make_curve_plan(std::span<const ColorStage> stages,
                                                       const YuvMatrix& matrix);

}  // namespace trickle::fx
