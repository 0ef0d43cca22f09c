#include "fx/color_fold.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace trickle::fx {
namespace {

constexpr double kNoLimit = 1e9;
constexpr double kTolerance = 1e-12;

struct Range3 {
  Row3 low, high;
};

bool is_diagonal(const ColorStep& step) {
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      if (i != j && step.matrix[i][j] != 0) return false;
    }
  }
  return true;
}

// What a stage can give before its clamp, by interval arithmetic.
Range3 unclamped_range(const ColorStage& stage, const Range3& input) {
  Range3 range{stage.offset, stage.offset};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      const double m = stage.matrix[i][j];
      range.low[i] += m * (m > 0 ? input.low[j] : input.high[j]);
      range.high[i] += m * (m > 0 ? input.high[j] : input.low[j]);
    }
  }
  return range;
}

Range3 output_range(const ColorStage& stage) {
  Range3 range{stage.low, stage.high};
  for (size_t i = 0; i < 3; ++i) {
    range.low[i] = std::pow(range.low[i], stage.exponent);
    range.high[i] = std::pow(range.high[i], stage.exponent);
  }
  return range;
}

bool clamp_acts(const ColorStage& stage, const Range3& input) {
  const Range3 range = unclamped_range(stage, input);
  for (size_t i = 0; i < 3; ++i) {
    if (range.low[i] < stage.low[i] - kTolerance || range.high[i] > stage.high[i] + kTolerance) return true;
  }
  return false;
}

void scale_channel(ColorStage& stage, size_t i, double scale, double offset) {
  for (double& m : stage.matrix[i]) m *= scale;
  stage.offset[i] = stage.offset[i] * scale + offset;
  double low = stage.low[i] * scale + offset;
  double high = stage.high[i] * scale + offset;
  if (low > high) std::swap(low, high);
  stage.low[i] = std::clamp(low, 0.0, 1.0);
  stage.high[i] = std::clamp(high, 0.0, 1.0);
}

// The step as one scale for each channel, where it can be seen so.
bool channel_scales(const ColorStage& before, const ColorStep& step, Row3& scales) {
  if (is_diagonal(step)) {
    scales = {step.matrix[0][0], step.matrix[1][1], step.matrix[2][2]};
    return true;
  }
  if (!makes_grey(before)) return false;
  for (size_t i = 0; i < 3; ++i) scales[i] = step.matrix[i][0] + step.matrix[i][1] + step.matrix[i][2];
  return true;
}

void compose(ColorStage& stage, const ColorStep& step) {
  const ColorStage before = stage;
  for (size_t i = 0; i < 3; ++i) {
    const Row3& m = step.matrix[i];
    for (size_t j = 0; j < 3; ++j) {
      stage.matrix[i][j] =
          m[0] * before.matrix[0][j] + m[1] * before.matrix[1][j] + m[2] * before.matrix[2][j];
    }
    stage.offset[i] =
        step.offset[i] + m[0] * before.offset[0] + m[1] * before.offset[1] + m[2] * before.offset[2];
  }
  stage.low = {0, 0, 0};
  stage.high = {1, 1, 1};
}

bool is_identity(const ColorStage& stage) {
  if (stage.exponent != 1) return false;
  for (size_t i = 0; i < 3; ++i) {
    if (stage.offset[i] != 0 || stage.low[i] > 0 || stage.high[i] < 1) return false;
    for (size_t j = 0; j < 3; ++j) {
      if (stage.matrix[i][j] != (i == j ? 1 : 0)) return false;
    }
  }
  return true;
}

}  // namespace

bool makes_grey(const ColorStage& stage) {
  for (size_t i = 1; i < 3; ++i) {
    if (stage.matrix[i] != stage.matrix[0] || stage.offset[i] != stage.offset[0]) return false;
    if (stage.low[i] != stage.low[0] || stage.high[i] != stage.high[0]) return false;
  }
  return true;
}

std::vector<ColorStage> fold(std::span<const ColorStep> steps, InputRange input) {
  const Range3 outside = input == InputRange::kUnit
                             ? Range3{{0, 0, 0}, {1, 1, 1}}
                             : Range3{{-kNoLimit, -kNoLimit, -kNoLimit}, {kNoLimit, kNoLimit, kNoLimit}};
  std::vector<ColorStage> stages;
  for (const ColorStep& step : steps) {
    if (step == ColorStep{}) continue;
    if (stages.empty() || stages.back().exponent != 1) {
      stages.push_back({.matrix = step.matrix, .offset = step.offset, .exponent = step.exponent});
      continue;
    }
    ColorStage& last = stages.back();
    const Range3 range = stages.size() == 1 ? outside : output_range(stages[stages.size() - 2]);
    Row3 scales{};
    if (channel_scales(last, step, scales)) {
      for (size_t i = 0; i < 3; ++i) scale_channel(last, i, scales[i], step.offset[i]);
    } else if (!clamp_acts(last, range)) {
      compose(last, step);
    } else {
      stages.push_back({.matrix = step.matrix, .offset = step.offset});
    }
    stages.back().exponent = step.exponent;
  }
  if (input == InputRange::kUnit && stages.size() == 1 && is_identity(stages.front())) stages.clear();
  return stages;
}

}  // namespace trickle::fx
