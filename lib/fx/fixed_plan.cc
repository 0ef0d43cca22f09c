#include "fx/fixed_plan.h"

#include <algorithm>
#include <cmath>

#include "base/try.h"

namespace trickle::fx {
namespace {

constexpr double kQ15 = 32768;
constexpr double kTop = 32767;  // The window value of a channel's high limit.

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
double window_of_zero(const ColorStage& stage, size_t channel, double one) {
  return kTop - stage.high[channel] * one;
}

Error too_large() {
  return {ErrorKind::kInternal, "a colour effect has coefficients beyond what its kernels compute in"};
}

Result<FixedStage> make_stage(const ColorStage& stage, double one) {
  FixedStage fixed{};
  for (size_t i = 0; i < 3; ++i) {
    double sum = 0;
    for (size_t j = 0; j < 3; ++j) {
      sum += std::abs(stage.matrix[i][j]);
      fixed.matrix[i][j] = saturated(stage.matrix[i][j] / 2 * kQ15);
    }
    if (sum > 2) return unexpected(too_large());
    const double zero = window_of_zero(stage, i, one);
    fixed.add[i] = split(stage.offset[i] * one + zero);
    fixed.floor[i] = saturated(zero + stage.low[i] * one);
    fixed.bias2[i] = modular(2 * zero);
  }
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

Result<void> set_input(YuvPlan& plan, const Fused& fused, const ColorStage& stage, double one) {
  const double highest = (1 << plan.bits) - 1;
  const double luma = fused.matrix[0][0];
  const double luma_factor = std::abs(luma) * one * (1 << plan.bits);
  // A luma term of more than 2 would not fit 16 bits with its sign.
  if (luma_factor >= 32768) return unexpected(too_large());
  plan.luma = static_cast<uint16_t>(std::lround(luma_factor));
  plan.luma_flip = luma < 0 ? static_cast<uint16_t>(static_cast<int>(highest) << (16 - plan.bits)) : 0;
  for (size_t i = 0; i < 3; ++i) {
    if (std::abs(fused.matrix[i][0] - luma) > 1e-9) return unexpected(too_large());
    for (size_t j = 0; j < 2; ++j) {
      const double factor = fused.matrix[i][j + 1] * one * (1 << (plan.bits - 1));
      if (std::abs(factor) >= 32768) return unexpected(too_large());
      plan.chroma[i][j] = saturated(factor);
    }
    const double zero = window_of_zero(stage, i, one);
    double offset = fused.offset[i] * one + zero;
    if (luma < 0) offset += luma * highest * one;
    plan.add[i] =
        split(offset + 0.5);  // The luma product is cut off, not rounded: half a unit less on average.
    plan.floor[i] = saturated(zero + stage.low[i] * one);
    plan.bias2[i] = modular(2 * zero);
  }
  return {};
}

void set_output(YuvPlan& plan, const ColorStage& last, const YuvMatrix& yuv, double one) {
  const double sample = std::exp2(14 - plan.bits);
  for (size_t i = 0; i < 3; ++i) {
    double add = (yuv.to_yuv_offset[i] + 0.5) * sample;
    for (size_t j = 0; j < 3; ++j) {
      const double factor = yuv.to_yuv[i][j] * sample / one;
      plan.out[i][j] = saturated(factor * kQ15);
      add -= plan.out[i][j] / kQ15 * window_of_zero(last, j, one);
    }
    plan.out_add[i] = static_cast<int16_t>(modular(add));
  }
}

// One stage that makes grey: everything is in luma codes from the start, and Y needs no multiplication.
Result<YuvPlan> make_grey_plan(const ColorStage& stage, const YuvMatrix& yuv, YuvPlan plan) {
  const double sample = std::exp2(14 - plan.bits);
  const double luma_scale = yuv.to_yuv[0][0] + yuv.to_yuv[0][1] + yuv.to_yuv[0][2];
  const double one = luma_scale * sample;
  TRICKLE_TRY(set_input(plan, fuse(stage, yuv), stage, one));
  plan.grey = true;
  plan.reads_chroma = plan.chroma[0][0] != 0 || plan.chroma[0][1] != 0;
  const double zero = window_of_zero(stage, 0, one);
  plan.out_add[0] = static_cast<int16_t>(modular((yuv.to_yuv_offset[0] + 0.5) * sample - zero));
  return plan;
}

}  // namespace

Result<YuvPlan> make_yuv_plan(std::span<const ColorStage> stages, const YuvMatrix& matrix, int bits) {
  YuvPlan plan;
  plan.bits = bits;
  if (stages.size() == 1 && makes_grey(stages.front())) return make_grey_plan(stages.front(), matrix, plan);
  const double one = full_scale(bits);
  TRICKLE_TRY(set_input(plan, fuse(stages.front(), matrix), stages.front(), one));
  for (const ColorStage& stage : stages.subspan(1)) {
    TRICKLE_TRY_ASSIGN(auto fixed, make_stage(stage, one));
    plan.more.push_back(fixed);
  }
  set_output(plan, stages.back(), matrix, one);
  return plan;
}

Result<std::vector<FixedStage>> make_rgb_plan(std::span<const ColorStage> stages) {
  std::vector<FixedStage> plan;
  for (const ColorStage& stage : stages) {
    TRICKLE_TRY_ASSIGN(auto fixed, make_stage(stage, full_scale(8)));
    plan.push_back(fixed);
  }
  return plan;
}

}  // namespace trickle::fx
