#include "fx/fixed_plan.h"

#include <algorithm>
#include <cmath>

#include "base/try.h"

namespace trickle::fx {
namespace {

constexpr double kQ15 = 32768;
constexpr double kTop = 32767;  // The window value of a channel's high limit.
constexpr int kMostShift = 3;   // More loses too many bits.

int16_t saturated(double value) {
  return static_cast<int16_t>(std::lround(std::clamp(value, -32768.0, 32767.0)));
}

uint16_t modular(double value) { return static_cast<uint16_t>(static_cast<int64_t>(std::llround(value))); }

// Beyond the first part's range only the direction counts: the saturating sum decides.
SplitConstant split(double value) {
  const int16_t first = saturated(value);
  return {first, saturated(value - first)};
}

double full_scale(int bits) { return ((1 << bits) - 1) * std::exp2(14 - bits); }

Error too_large() {
  return {ErrorKind::kInternal, "a colour effect has coefficients beyond what its kernels compute in"};
}

// A stage's window: `one` in its own units, and where each channel's 0 lies in it.
struct Window {
  Window(const ColorStage& stage, int shift_, double full_scale)
      : shift(shift_), one(full_scale / std::exp2(shift_)) {
    for (size_t i = 0; i < 3; ++i) {
      zero[i] = kTop - stage.high[i] * one;
      floor[i] = saturated(zero[i] + stage.low[i] * one);
    }
  }
  int shift;
  double one;
  Row3 zero{};
  int16_t floor[3]{};
};

WindowEnd make_end(const ColorStage& stage, const Window& window, double one) {
  WindowEnd end;
  end.shift = window.shift;
  for (size_t i = 0; i < 3; ++i) end.bias2[i] = modular(std::exp2(window.shift + 1) * window.zero[i]);
  if (stage.exponent != 1) end.power = make_power(stage.exponent, one);
  return end;
}

bool power_fits(const ColorStage& stage) { return stage.exponent > 0 && stage.exponent <= 4; }

Result<FixedStage> make_stage(const ColorStage& stage, double one) {
  double largest = 0;
  for (const Row3& row : stage.matrix) {
    largest = std::max(largest, std::abs(row[0]) + std::abs(row[1]) + std::abs(row[2]));
  }
  int shift = 0;
  while (shift <= kMostShift && largest > std::exp2(shift + 1)) ++shift;
  if (shift > kMostShift || !power_fits(stage)) return unexpected(too_large());
  const Window window(stage, shift, one);
  FixedStage fixed;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      fixed.matrix[i][j] = saturated(stage.matrix[i][j] / std::exp2(shift + 1) * kQ15);
    }
    fixed.add[i] = split(stage.offset[i] * window.one + window.zero[i]);
    fixed.floor[i] = window.floor[i];
  }
  fixed.end = make_end(stage, window, one);
  return fixed;
}

// A stage together with the conversion from YUV before it.
struct Fused {
  std::array<Row3, 3> matrix;  // Of Y, U - middle, V - middle, in codes.
  Row3 offset;
};

Fused fuse(const ColorStage& stage, const YuvMatrix& yuv) {
  Fused fused{{}, stage.offset};
  const double middle = yuv.to_yuv_offset[1];
  for (size_t i = 0; i < 3; ++i) {
    for (size_t k = 0; k < 3; ++k) {
      for (size_t j = 0; j < 3; ++j) fused.matrix[i][j] += stage.matrix[i][k] * yuv.to_rgb[k][j];
      fused.offset[i] += stage.matrix[i][k] * yuv.to_rgb_offset[k];
    }
    fused.offset[i] += (fused.matrix[i][1] + fused.matrix[i][2]) * middle;
  }
  return fused;
}

// The factors of a luma sample << (16 - bits) and of chroma samples, in units of a window.
struct InputFactors {
  InputFactors(const Fused& fused, double one, int bits) {
    for (size_t i = 0; i < 3; ++i) {
      luma[i] = std::abs(fused.matrix[i][0]) * one * (1 << bits);
      for (size_t j = 0; j < 2; ++j) chroma[i][j] = fused.matrix[i][j + 1] * one * (1 << (bits - 1));
    }
  }
  // A luma term of more than 2 would not fit 16 bits with its sign; chroma terms must not saturate, because
  // what is added after them may have the other sign.
  [[nodiscard]] bool fit() const {
    for (size_t i = 0; i < 3; ++i) {
      if (luma[i] >= kQ15 || std::abs(chroma[i][0]) + std::abs(chroma[i][1]) >= kQ15) return false;
    }
    return true;
  }
  Row3 luma{};
  double chroma[3][2]{};
};

// One complement for all three channels.
bool same_signs(const Fused& fused) {
  const auto negative = [&](size_t i) { return fused.matrix[i][0] < 0; };
  return negative(0) == negative(1) && negative(0) == negative(2);
}

// The luma product is cut off, not rounded: half a unit less on average. Before a power it is black that has
// to come out exactly, because roots make much of little.
double lost_by_cutting(const YuvPlan& plan, double exact_factor, size_t channel, double exponent,
                       double black) {
  if (exponent == 1) return 0.5;
  const double sample = (plan.luma_flip == 0 ? black : (1 << plan.bits) - 1 - black) / (1 << plan.bits);
  return sample * exact_factor - std::floor(sample * plan.luma[channel]);
}

// \param black the luma code of black.
Result<void> set_input(YuvPlan& plan, const Fused& fused, const ColorStage& stage, double one, double black) {
  if (!same_signs(fused) || !power_fits(stage)) return unexpected(too_large());
  int shift = 0;
  while (!InputFactors(fused, one / std::exp2(shift), plan.bits).fit()) {
    if (++shift > kMostShift) return unexpected(too_large());
  }
  const Window window(stage, shift, one);
  const InputFactors factors(fused, window.one, plan.bits);
  const double highest = (1 << plan.bits) - 1;
  const bool flipped = fused.matrix[0][0] < 0;
  plan.luma_flip = flipped ? static_cast<uint16_t>(static_cast<int>(highest) << (16 - plan.bits)) : 0;
  for (size_t i = 0; i < 3; ++i) {
    plan.luma[i] = static_cast<uint16_t>(std::lround(factors.luma[i]));
    for (size_t j = 0; j < 2; ++j) plan.chroma[i][j] = saturated(factors.chroma[i][j]);
    double offset = fused.offset[i] * window.one + window.zero[i];
    if (flipped) offset += fused.matrix[i][0] * highest * window.one;
    plan.add[i] = split(offset + lost_by_cutting(plan, factors.luma[i], i, stage.exponent, black));
    plan.floor[i] = window.floor[i];
  }
  plan.end = make_end(stage, window, one);
  return {};
}

// What stands for 0 in the 16 bits that the way back to YUV starts from.
double zero_at_the_end(const ColorStage& last, const WindowEnd& end, size_t channel, double one) {
  if (end.power) return 0;
  const double top = end.shift == 0 ? kTop : -std::exp2(end.shift);
  return top - last.high[channel] * one;
}

void set_output(YuvPlan& plan, const ColorStage& last, const YuvMatrix& yuv, double one) {
  const WindowEnd& end = plan.more.empty() ? plan.end : plan.more.back().end;
  const double sample = std::exp2(14 - plan.bits);
  for (size_t i = 0; i < 3; ++i) {
    double add = (yuv.to_yuv_offset[i] + 0.5) * sample;
    for (size_t j = 0; j < 3; ++j) {
      const double factor = yuv.to_yuv[i][j] * sample / one;
      plan.out[i][j] = saturated(factor * kQ15);
      add -= plan.out[i][j] / kQ15 * zero_at_the_end(last, end, j, one);
    }
    plan.out_add[i] = static_cast<int16_t>(modular(add));
  }
}

// One stage that makes grey: everything is in luma codes from the start, and Y needs no multiplication.
Result<YuvPlan> make_grey_plan(const ColorStage& stage, const YuvMatrix& yuv, YuvPlan plan) {
  const double sample = std::exp2(14 - plan.bits);
  const double luma_scale = yuv.to_yuv[0][0] + yuv.to_yuv[0][1] + yuv.to_yuv[0][2];
  const double one = luma_scale * sample;
  TRICKLE_TRY(set_input(plan, fuse(stage, yuv), stage, one, yuv.to_yuv_offset[0]));
  if (plan.end.shift > 0 || plan.end.power) return unexpected(too_large());
  plan.grey = true;
  plan.reads_chroma = plan.chroma[0][0] != 0 || plan.chroma[0][1] != 0;
  const double zero = kTop - stage.high[0] * one;
  plan.out_add[0] = static_cast<int16_t>(modular((yuv.to_yuv_offset[0] + 0.5) * sample - zero));
  return plan;
}

}  // namespace

bool YuvPlan::one_plain_more() const {
  if (more.size() != 1 || !plain_start()) return false;
  const FixedStage& stage = more.front();
  return stage.end.shift == 0 && !stage.end.power && stage.add[0][1] == 0 && stage.add[1][1] == 0 &&
         stage.add[2][1] == 0;
}

Result<YuvPlan> make_yuv_plan(std::span<const ColorStage> stages, const YuvMatrix& matrix, int bits) {
  YuvPlan plan;
  plan.bits = bits;
  if (stages.size() > kMostStages + 1) return unexpected(too_large());
  if (stages.size() == 1 && makes_grey(stages.front())) {
    if (auto grey = make_grey_plan(stages.front(), matrix, plan)) return grey;
  }
  const double one = full_scale(bits);
  TRICKLE_TRY(set_input(plan, fuse(stages.front(), matrix), stages.front(), one, matrix.to_yuv_offset[0]));
  for (const ColorStage& stage : stages.subspan(1)) {
    TRICKLE_TRY_ASSIGN(auto fixed, make_stage(stage, one));
    plan.more.push_back(fixed);
  }
  set_output(plan, stages.back(), matrix, one);
  return plan;
}

Result<std::vector<FixedStage>> make_rgb_plan(std::span<const ColorStage> stages) {
  if (stages.size() > kMostStages) return unexpected(too_large());
  std::vector<FixedStage> plan;
  for (const ColorStage& stage : stages) {
    TRICKLE_TRY_ASSIGN(auto fixed, make_stage(stage, full_scale(8)));
    plan.push_back(fixed);
  }
  return plan;
}

}  // namespace trickle::fx
