// What a colour effect does to one pixel: an affine map of RGB, a clamp to [0,1],
// and then a power.
#pragma once

#include <array>

namespace trickle::fx {

using Row3 = std::array<double, 3>;

/// rgb' = clamp(matrix * rgb + offset, 0, 1) ^ exponent, with RGB in [0,1].
struct ColorStep {
  std::array<Row3, 3> matrix{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  Row3 offset{0, 0, 0};
  double exponent = 1;

  friend bool operator==(const ColorStep&, const ColorStep&) = default;
};

}  // namespace trickle::fx
