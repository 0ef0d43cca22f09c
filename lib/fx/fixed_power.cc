#include "fx/fixed_power.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace trickle::fx {
namespace {

constexpr size_t kCoefficients = 5;
using Polynomial = std::array<double, kCoefficients>;  // The lowest first.

// x^exponent through the Chebyshev nodes of [1/4, 1], which is as good as the best polynomial but for a few
// percent: Newton's divided differences, multiplied out.
Polynomial power_polynomial(double exponent) {
  Polynomial nodes{}, differences{};
  for (size_t i = 0; i < kCoefficients; ++i) {
    const double angle = std::numbers::pi * static_cast<double>(2 * i + 1) / (2 * kCoefficients);
    nodes[i] = 0.625 + 0.375 * std::cos(angle);
    differences[i] = std::pow(nodes[i], exponent);
  }
  for (size_t order = 1; order < kCoefficients; ++order) {
    for (size_t i = kCoefficients - 1; i >= order; --i) {
      differences[i] = (differences[i] - differences[i - 1]) / (nodes[i] - nodes[i - order]);
    }
  }
  Polynomial sum{};
  for (size_t i = kCoefficients; i-- > 0;) {
    for (size_t k = kCoefficients - 1; k > 0; --k) sum[k] = sum[k - 1] - nodes[i] * sum[k];
    sum[0] = differences[i] - nodes[i] * sum[0];
  }
  return sum;
}

int16_t q15(double value) {
  return static_cast<int16_t>(std::lround(std::clamp(value * 32768, -32768.0, 32767.0)));
}

}  // namespace

FixedPower make_power(double exponent, double one) {
  FixedPower power{};
  power.multiplications = static_cast<int>(std::ceil(exponent)) - 1;
  const double rest = exponent - power.multiplications;
  // What comes in is 2 * one at most, not 32768.
  const double stretch = 32768 / (2 * one);
  const Polynomial polynomial = power_polynomial(rest);
  for (size_t i = 0; i < kCoefficients; ++i) {
    power.polynomial[kCoefficients - 1 - i] =
        q15(polynomial[i] / 2 * std::pow(stretch, power.multiplications));
  }
  for (size_t i = 1; i < 8; ++i) {
    const double factor = std::exp2(2 * (7 - static_cast<double>(i)));
    power.normalise[i] = static_cast<uint16_t>(factor);
    power.scale[i] = q15(2 * one / 32768 * std::pow(stretch / factor, rest));
  }
  return power;
}

}  // namespace trickle::fx
