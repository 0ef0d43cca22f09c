#include "fx/curve_plan.h"

#include <algorithm>
#include <cmath>

namespace trickle::fx {
namespace {

constexpr double kHighest = 255;
constexpr double kUnit = 64;  // Sums are in 1/64 codes.
constexpr double kQ15 = 32768;
constexpr double kMostVariance = 0.19;  // Of a sample, in codes: 55.3 dB.

bool keeps_channels_apart(const ColorStage& stage) {
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      if (i != j && stage.matrix[i][j] != 0) return false;
    }
  }
  return true;
}

double limited(const ColorStage& stage, size_t channel, double value) {
  return std::pow(std::clamp(value, stage.low[channel], stage.high[channel]), stage.exponent);
}

// The affine part of the first stage, seen from YUV: value = luma * (Y + u * U + v * V) + offset, U and V
// from their middle on. An index is what stands in the brackets + shift.
struct Start {
  double luma = 0, u = 0, v = 0, offset = 0;
  double shift = 0;

  [[nodiscard]] double value(double index) const { return luma * (index - shift) + offset; }
  [[nodiscard]] double index(double value) const { return (value - offset) / luma + shift; }
};

// Moves the index by whole codes to where all values that a clamp leaves have one. \return false when they
// are more than there are.
bool fit(Start& start, const ColorStage& stage, size_t channel) {
  const double low = start.index(stage.low[channel]);
  const double high = start.index(stage.high[channel]);
  const double first = std::min(low, high), last = std::max(low, high);
  if (!(last - first <= kHighest)) return false;
  start.shift = first < 0 ? std::ceil(-first) : last > kHighest ? std::floor(kHighest - last) : 0;
  return true;
}

Start start_of(const ColorStage& stage, const YuvMatrix& yuv, size_t channel) {
  Start start;
  start.offset = stage.offset[channel];
  double factors[3] = {};
  for (size_t k = 0; k < 3; ++k) {
    for (size_t j = 0; j < 3; ++j) factors[j] += stage.matrix[channel][k] * yuv.to_rgb[k][j];
    start.offset += stage.matrix[channel][k] * yuv.to_rgb_offset[k];
  }
  start.offset += factors[1] * yuv.to_yuv_offset[1] + factors[2] * yuv.to_yuv_offset[2];
  start.luma = factors[0];
  start.u = factors[1] / factors[0];
  start.v = factors[2] / factors[0];
  return start;
}

// One channel from its index, which may lie between two whole ones, to what is mixed into YUV.
struct Curve {
  Start start;
  size_t channel = 0;
  std::span<const ColorStage> stages;  // All but a mixture at the end.

  [[nodiscard]] double of(double index) const {
    double value = limited(stages.front(), channel, start.value(index));
    for (const ColorStage& stage : stages.subspan(1)) {
      value = limited(stage, channel, stage.matrix[channel][channel] * value + stage.offset[channel]);
    }
    return value;
  }
  // False: the first clamp decides, whatever the rounding of the index did.
  [[nodiscard]] bool in_gamut(double index) const {
    const double value = start.value(index);
    return value >= stages.front().low[channel] && value <= stages.front().high[channel];
  }
};

bool can_leave(const ColorStage& mixture) {
  for (size_t i = 0; i < 3; ++i) {
    double low = mixture.offset[i], high = mixture.offset[i];
    for (const double factor : mixture.matrix[i]) (factor < 0 ? low : high) += factor;
    if (low < mixture.low[i] - 1e-9 || high > mixture.high[i] + 1e-9) return true;
  }
  return false;
}

// From what the curves give to YUV.
struct Way {
  std::array<Row3, 3> matrix{};
  Row3 offset{};
};

Way way_back(const ColorStage* mixture, const YuvMatrix& yuv) {
  const ColorStage none;
  const ColorStage& last = mixture == nullptr ? none : *mixture;
  Way way;
  way.offset = yuv.to_yuv_offset;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t k = 0; k < 3; ++k) {
      way.offset[i] += yuv.to_yuv[i][k] * last.offset[k];
      for (size_t j = 0; j < 3; ++j) way.matrix[i][j] += yuv.to_yuv[i][k] * last.matrix[k][j];
    }
  }
  return way;
}

// Fills the table, `top` standing for 1. \return the mean square of what it is off by, over all values within
// the gamut.
double fill(ByteTable& table, const Curve& curve, double top) {
  constexpr int kParts = 8;
  double squares = 0;
  int count = 0;
  for (int i = 0; i < 256; ++i) {
    table.entries[i] = static_cast<uint8_t>(std::lround(curve.of(i) * top));
    table.steps[i] = static_cast<uint8_t>(table.entries[i] ^ (i % 128 < 16 ? 0 : table.entries[i - 16]));
    for (int part = 0; part < kParts; ++part) {
      const double index = i + (part + 0.5) / kParts - 0.5;
      if (!curve.in_gamut(index)) continue;
      const double off = curve.of(index) - table.entries[i] / top;
      squares += off * off;
      ++count;
    }
  }
  return count == 0 ? 0 : squares / count;
}

int16_t q15(double value) { return static_cast<int16_t>(std::lround(value * kQ15)); }

// \return false for terms that the kernel's 16 bits don't hold.
bool set_input(CurvePlan& plan, const Start& start, size_t channel) {
  const double most = 128 * (std::abs(start.u) + std::abs(start.v)) + std::abs(start.shift);
  if (!(most * kUnit < kQ15)) return false;
  // (U << 8) * factor >> 15 is to be 1/64 code.
  plan.chroma[channel][0] = q15(start.u * kUnit / 256);
  plan.chroma[channel][1] = q15(start.v * kUnit / 256);
  plan.shift[channel] = static_cast<int16_t>(start.shift * kUnit);
  return true;
}

}  // namespace

std::optional<CurvePlan> make_curve_plan(std::span<const ColorStage> stages, const YuvMatrix& matrix) {
  const ColorStage* mixture = nullptr;
  if (stages.size() > 1 && !keeps_channels_apart(stages.back())) {
    mixture = &stages.back();
    stages = stages.first(stages.size() - 1);
    if (mixture->exponent != 1 || can_leave(*mixture)) return std::nullopt;
  }
  for (const ColorStage& stage : stages.subspan(1)) {
    if (!keeps_channels_apart(stage)) return std::nullopt;
  }
  const Way way = way_back(mixture, matrix);
  CurvePlan plan;
  double variance[3] = {1.0 / 12, 1.0 / 12, 1.0 / 12};
  for (size_t i = 0; i < 3; ++i) {
    Start start = start_of(stages.front(), matrix, i);
    if (!fit(start, stages.front(), i) || !set_input(plan, start, i)) return std::nullopt;
    const Curve curve{start, i, stages};
    // A byte's factor for luma is a whole number: the table's unit makes up for what that rounds.
    const double weight = way.matrix[0][i] * kUnit;
    const double factor = std::ceil(std::abs(weight) / kHighest);
    const double top = weight == 0 ? kHighest : std::abs(weight) / factor;
    if (top < 128) return std::nullopt;
    plan.luma_out[i] = static_cast<int8_t>(weight < 0 ? -factor : factor);
    const double squares = fill(plan.tables[i], curve, top);
    for (size_t k = 0; k < 3; ++k) variance[k] += way.matrix[k][i] * way.matrix[k][i] * squares;
    for (size_t k = 0; k < 2; ++k) plan.chroma_out[k][i] = q15(way.matrix[k + 1][i] * kUnit / (128 * top));
  }
  // Most video has four samples of luma to two of chroma.
  if ((4 * variance[0] + variance[1] + variance[2]) / 6 > kMostVariance) return std::nullopt;
  plan.luma_add = static_cast<int16_t>(std::lround((way.offset[0] + 0.5) * kUnit));
  for (size_t k = 0; k < 2; ++k) {
    plan.chroma_add[k] = static_cast<int16_t>(std::lround((way.offset[k + 1] + 0.5) * kUnit));
  }
  return plan;
}

}  // namespace trickle::fx
