#include "fx/float_pass.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

namespace trickle::fx {
namespace {

constexpr int kPowerSteps = 4096;
// Below this a value is a rounding error of black.
constexpr float kBlack = 2e-6F;

void copy_alpha(const VideoFrame& in, const VideoFrame& out) {
  if (in.planes[0].data == out.planes[0].data) return;
  for (int y = 0; y < in.height; ++y) {
    const uint8_t* from = in.planes[0].data + y * in.planes[0].stride_bytes;
    uint8_t* to = out.planes[0].data + y * out.planes[0].stride_bytes;
    for (int x = 0; x < in.width; ++x) to[4 * x + 3] = from[4 * x + 3];
  }
}

}  // namespace

FloatPass::Power::Power(double exponent) : table(kPowerSteps + 2) {
  for (int i = 0; i < kPowerSteps + 2; ++i) {
    const double root = static_cast<double>(i) / kPowerSteps;
    table[static_cast<size_t>(i)] = static_cast<float>(std::pow(root, 2 * exponent));
  }
}

float FloatPass::Power::of(float x) const {
  const float at = std::sqrt(x < kBlack ? 0 : x) * kPowerSteps;
  const auto i = static_cast<size_t>(at);
  return table[i] + (table[i + 1] - table[i]) * (at - static_cast<float>(i));
}

FloatPass::FloatPass(std::vector<ColorStage> stages, const ColorProperties& color, int bits)
    : matrix_(yuv_matrix(color, bits)) {
  for (const ColorStage& from : stages) {
    Stage stage;
    for (size_t i = 0; i < 3; ++i) {
      for (size_t j = 0; j < 3; ++j) stage.linear.matrix[i][j] = static_cast<float>(from.matrix[i][j]);
      stage.linear.offset[i] = static_cast<float>(from.offset[i]);
      stage.linear.low[i] = static_cast<float>(from.low[i]);
      stage.linear.high[i] = static_cast<float>(from.high[i]);
    }
    if (from.exponent != 1) stage.power.emplace_back(from.exponent);
    stages_.push_back(std::move(stage));
  }
}

void FloatPass::apply(const Stage& stage, RgbRow& row) {
  // Copies and pointers, for vectors: see rgb_rows.cc.
  const Stage::Linear k = stage.linear;
  float* __restrict red = row.red.data();
  float* __restrict green = row.green.data();
  float* __restrict blue = row.blue.data();
  const auto one = [&k](size_t i, float r, float g, float b) {
    const float value = k.matrix[i][0] * r + k.matrix[i][1] * g + k.matrix[i][2] * b + k.offset[i];
    return std::min(std::max(value, k.low[i]), k.high[i]);
  };
  const size_t width = row.red.size();
  for (size_t x = 0; x < width; ++x) {
    const float r = red[x], g = green[x], b = blue[x];
    red[x] = one(0, r, g, b);
    green[x] = one(1, r, g, b);
    blue[x] = one(2, r, g, b);
  }
  for (const Power& power : stage.power) {
    for (auto* channel : {&row.red, &row.green, &row.blue}) {
      for (float& value : *channel) value = power.of(value);
    }
  }
}

void FloatPass::run(const VideoFrame& in, const VideoFrame& out) const {
  const FloatMatrix m(matrix_);
  const int at_once = rows_at_once(in);
  std::vector<RgbRow> rows(static_cast<size_t>(at_once), RgbRow(in.width));
  if (in.format == PixelFormat::kRgba || in.format == PixelFormat::kBgra) copy_alpha(in, out);
  for (int y = 0; y < in.height; y += at_once) {
    const int count = std::min(at_once, in.height - y);
    for (int i = 0; i < count; ++i) {
      RgbRow& row = rows[static_cast<size_t>(i)];
      load_row(in, m, y + i, row);
      for (const Stage& stage : stages_) apply(stage, row);
    }
    store_rows(std::span(rows).first(static_cast<size_t>(count)), m, y, out);
  }
}

}  // namespace trickle::fx
