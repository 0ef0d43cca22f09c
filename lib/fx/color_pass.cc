#include "fx/color_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "fx/color_fold.h"
#include "fx/curve_kernel.h"
#include "fx/yuv_kernel.h"
#include "fx/yuv_matrix.h"

namespace trickle::fx {
namespace {

uint8_t to_byte(double value) { return static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 1.0) * 255)); }

// A stage that only moves and flips channels is exact in bytes, rounding included.
std::optional<ByteMaps> byte_maps(std::span<const ColorStage> stages) {
  if (stages.size() != 1 || stages.front().exponent != 1) return std::nullopt;
  const ColorStage& stage = stages.front();
  ByteMaps maps;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      if (i == j ? std::abs(stage.matrix[i][j]) != 1 : stage.matrix[i][j] != 0) return std::nullopt;
    }
    const bool flipped = stage.matrix[i][i] < 0;
    const double offset = stage.offset[i] - (flipped ? 1 : 0);
    // Ties round up, as x + offset would.
    const auto moved = static_cast<int>(std::floor(offset * 255 + 0.5));
    maps[i] = {.flip = static_cast<uint8_t>(flipped ? 255 : 0),
               .add = static_cast<uint8_t>(std::clamp(moved, 0, 255)),
               .subtract = static_cast<uint8_t>(std::clamp(-moved, 0, 255)),
               .low = to_byte(stage.low[i]),
               .high = to_byte(stage.high[i])};
  }
  return maps;
}

}  // namespace

ColorPass::Plan ColorPass::plan_for(const std::vector<ColorStage>& stages, PixelFormat format,
                                    const ColorProperties& color) {
  const PixelFormatInfo& info = pixel_format_info(format);
  if (!info.rgb) {
    const YuvMatrix matrix = yuv_matrix(color, info.bits);
    // One stage without a power is faster, and more exact, as it is.
    if (info.bits == 8 && (stages.size() > 1 || stages.front().exponent != 1)) {
      if (const auto plan = make_curve_plan(stages, matrix)) return *plan;
    }
    if (auto plan = make_yuv_plan(stages, matrix, info.bits)) return *std::move(plan);
  } else if (const auto maps = byte_maps(stages)) {
    return *maps;
  } else if (auto plan = make_rgb_plan(stages)) {
    return *std::move(plan);
  }
  return FloatPass(stages, color, info.bits);
}

Result<ColorPass> ColorPass::make(std::span<const ColorStep> steps, PixelFormat format,
                                  const ColorProperties& color) {
  const PixelFormatInfo& info = pixel_format_info(format);
  if (info.planes == 0) return unexpected(ErrorKind::kUsage, "colour effects need a known pixel format");
  const auto stages = fold(steps, info.rgb ? InputRange::kUnit : InputRange::kUnlimited);
  ColorPass pass;
  if (!stages.empty()) pass.plan_ = std::make_shared<const Plan>(plan_for(stages, format, color));
  return pass;
}

void ColorPass::run(const VideoFrame& in, const VideoFrame& out) const {
  if (nothing_to_do()) return;
  if (const auto* yuv = std::get_if<YuvPlan>(&*plan_)) {
    run_yuv_kernel(*yuv, in, out);
  } else if (const auto* curves = std::get_if<CurvePlan>(&*plan_)) {
    run_curve_kernel(*curves, in, out);
  } else if (const auto* bytes = std::get_if<ByteMaps>(&*plan_)) {
    run_byte_kernel(*bytes, in, out);
  } else if (const auto* rgb = std::get_if<std::vector<FixedStage>>(&*plan_)) {
    run_rgb_kernel(*rgb, in, out);
  } else {
    std::get<FloatPass>(*plan_).run(in, out);
  }
}

}  // namespace trickle::fx
