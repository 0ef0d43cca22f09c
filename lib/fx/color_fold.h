// Makes a chain of colour effects into as few stages as its clamps allow.
#pragma once

#include <span>
#include <vector>

#include "fx/color_step.h"

namespace trickle::fx {

/// rgb' = clamp(matrix * rgb + offset, low, high) ^ exponent, each channel with its own limits.
struct ColorStage {
  std::array<Row3, 3> matrix{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  Row3 offset{0, 0, 0};
  Row3 low{0, 0, 0};
  Row3 high{1, 1, 1};
  double exponent = 1;
};

/// Which RGB values can come in.
enum class InputRange {
  kUnit,       ///< [0,1]: the frame is RGB.
  kUnlimited,  ///< The frame is YUV, where many codes lie outside the RGB cube.
};

/// The stages that, one after another, do what `steps` do one after another (to rounding of doubles). Steps
/// that change nothing are left out; no stages at all: nothing is to be done.
///
/// A step that keeps the channels apart always folds into the stage before it, because a clamp followed by an
/// affine map and another clamp of one number is again an affine map and one clamp. A step that mixes
/// channels folds where the clamp before it can't act, or where all channels are equal. Nothing folds into a
/// power.
[[nodiscard]] std::vector<ColorStage> fold(std::span<const ColorStep> steps, InputRange input);

/// True when a stage makes all three channels equal.
[[nodiscard]] bool makes_grey(const ColorStage& stage);

}  // namespace trickle::fx
