// Colour stages in the 16-bit fixed point that the vector kernels compute in.
//
// One lane holds one colour value of one pixel. With `bits` significant bits per sample, a sample comes in as
// sample << (16 - bits), and RGB is held in units of 2^-(14 - bits) of a sample step, so that full scale is
// `one` = (2^bits - 1) << (14 - bits), just below 2^14. A channel is not held as it is but as a *window*
// value, moved up so that its high limit falls on 32767: then the saturating addition that makes it clamps it
// at the high limit too, and one maximum with `floor` clamps it at the low one. Because luma terms are never
// negative (where a stage inverts, the sample is complemented first), nothing saturates that would not end at
// that limit anyway.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "fx/color_fold.h"
#include "fx/fixed_power.h"
#include "fx/yuv_matrix.h"
#include "trickle/result.h"

namespace trickle::fx {

/// A constant to add, in two parts because their sum may exceed 16 bits (before it saturates).
using SplitConstant = std::array<int16_t, 2>;

/// What makes values of window values. Where a stage multiplies by more than a window holds, its window is in
/// units 2^shift times as large: the clamps are the same, and what leaves has `shift` bits fewer.
struct WindowEnd {
  int shift = 0;
  uint16_t bias2[3]{};              ///< 2 * value = (window value << (shift + 1)) - bias2, modulo 2^16.
  std::optional<FixedPower> power;  ///< And then.
};

/// A stage from RGB to RGB. What comes in is doubled.
struct FixedStage {
  int16_t matrix[3][3]{};  ///< Halves, in Q15 (the input being doubled).
  SplitConstant add[3]{};  ///< Offset, and the move into the window.
  int16_t floor[3]{};      ///< Window value of the low limit.
  WindowEnd end;
};

/// From YUV through the first stage to window values, through `more` stages, and back to YUV.
struct YuvPlan {
  int bits = 8;
  uint16_t luma[3]{};      ///< Factors of the luma sample (high half of an unsigned product).
  uint16_t luma_flip = 0;  ///< Exclusive-or of the luma sample: all ones in its bits, or 0.
  int16_t chroma[3][2]{};  ///< Factors of U and V in Q15, after their middle was taken off.
  SplitConstant add[3]{};
  int16_t floor[3]{};
  WindowEnd end;
  std::vector<FixedStage> more;  ///< At most kMostStages.

  /// From values back to Y, U, V in units of 2^-(14 - bits), Q15. Where no power comes last, they are taken
  /// from window values << shift, in 16 bits.
  int16_t out[3][3]{};
  int16_t out_add[3]{};  ///< Their constants, with the move out of the window and one half for rounding.

  /// All pixels come out grey: only channel 0 counts, its window value + out_add[0] is Y, U and V are the
  /// middle.
  bool grey = false;
  bool reads_chroma = true;  ///< False: a grey plan whose chroma factors are 0.

  /// One stage with one luma factor, without shift or power: what most effects are.
  [[nodiscard]] bool simple() const { return more.empty() && plain_start(); }

  /// The same, and then one more stage without shift, power or large constants: two effects.
  [[nodiscard]] bool one_plain_more() const;

 private:
  [[nodiscard]] bool plain_start() const {
    return end.shift == 0 && !end.power && luma[0] == luma[1] && luma[0] == luma[2];
  }
};

/// So many stages fit into a plan.
inline constexpr size_t kMostStages = 6;

/// \return kInternal when the stages exceed what the fixed point holds: factors of about 16, powers of 4.
Result<YuvPlan> make_yuv_plan(std::span<const ColorStage> stages, const YuvMatrix& matrix, int bits);

/// Stages on RGB samples of 8 bits, each entering as sample << 7; what leaves is doubled: in units of 1/128
/// sample. \return as above.
Result<std::vector<FixedStage>> make_rgb_plan(std::span<const ColorStage> stages);

}  // namespace trickle::fx
