#include "fx/builtin_effects.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "fx/avfilter_effect.h"
#include "fx/exec_effect.h"
#include "fx/graph_effects.h"
#include "fx/plugin_effect.h"
#include "fx/torchscript_effect.h"
#include "fx/yuv_matrix.h"

namespace trickle::fx {
namespace {

template <size_t kChannel>
ColorStep tint(const Parameters& parameters) {
  ColorStep step;
  step.offset[kChannel] = number(parameters, "intensity");
  return step;
}

ColorStep none(const Parameters& /*parameters*/) { return {}; }

ColorStep grayscale(const Parameters& /*parameters*/) {
  constexpr Row3 kWeights{0.299, 0.587, 0.114};
  return {.matrix = {kWeights, kWeights, kWeights}};
}

ColorStep invert(const Parameters& /*parameters*/) {
  return {.matrix = {{{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}}}, .offset = {1, 1, 1}};
}

ColorStep brightness(const Parameters& parameters) {
  const double shift = number(parameters, "intensity") - 0.5;
  return {.offset = {shift, shift, shift}};
}

ColorStep color_shift(const Parameters& parameters) {
  const auto& shift = numbers(parameters, "color_shift");
  return {.offset = {shift[0], shift[1], shift[2]}};
}

constexpr Row3 kLuma{0.299, 0.587, 0.114};  // BT.601.

ColorStep contrast(const Parameters& parameters) {
  const double amount = number(parameters, "amount");
  const double shift = 0.5 - 0.5 * amount;
  return {.matrix = {{{amount, 0, 0}, {0, amount, 0}, {0, 0, amount}}}, .offset = {shift, shift, shift}};
}

// Between grey and the colour, or beyond it.
ColorStep saturation(const Parameters& parameters) {
  const double amount = number(parameters, "amount");
  ColorStep step;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) step.matrix[i][j] = (1 - amount) * kLuma[j] + (i == j ? amount : 0);
  }
  return step;
}

// Turns the plane of Cb and Cr (BT.601), so that luma stays.
ColorStep hue(const Parameters& parameters) {
  const double degrees = number(parameters, "degrees");
  if (degrees == 0) return {};
  const double angle = degrees * std::numbers::pi / 180;
  const YuvMatrix yuv = yuv_matrix({.range = ColorProperties::Range::kFull}, 8);
  const double turn[3][3] = {
      {1, 0, 0}, {0, std::cos(angle), -std::sin(angle)}, {0, std::sin(angle), std::cos(angle)}};
  ColorStep step{.matrix = {}};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      for (size_t k = 0; k < 3; ++k) {
        for (size_t l = 0; l < 3; ++l) step.matrix[i][j] += yuv.to_rgb[i][k] * turn[k][l] * yuv.to_yuv[l][j];
      }
    }
  }
  return step;
}

ColorStep gamma(const Parameters& parameters) { return {.exponent = 1 / number(parameters, "gamma")}; }

ColorStep sepia(const Parameters& parameters) {
  constexpr std::array<Row3, 3> kSepia{{{0.393, 0.769, 0.189}, {0.349, 0.686, 0.168}, {0.272, 0.534, 0.131}}};
  const double amount = number(parameters, "amount");
  ColorStep step;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) step.matrix[i][j] = amount * kSepia[i][j] + (i == j ? 1 - amount : 0);
  }
  return step;
}

ParameterInfo one_number(std::string name, double usual, double minimum, double maximum,
                         std::string sentence) {
  return {.name = std::move(name),
          .type = ParameterType::kNumber,
          .default_value = usual,
          .minimum = minimum,
          .maximum = maximum,
          .text = std::move(sentence)};
}

std::vector<EffectInfo> more_color_effects() {
  return {
      {.name = "contrast",
       .text = "Moves each channel x away from the middle: 0.5 + amount (x - 0.5).",
       .parameters = {one_number("amount", 1.5, 0, 4, "1 leaves the picture as it is, 0 makes it grey.")},
       .color = contrast},
      {.name = "saturation",
       .text = "Moves each channel away from the pixel's grey g: g + amount (x - g).",
       .parameters = {one_number("amount", 1.5, 0, 4, "1 leaves the picture as it is, 0 takes its colours.")},
       .color = saturation},
      {.name = "hue",
       .text = "Turns the colours around the circle; luma stays.",
       .parameters = {one_number("degrees", 90, -360, 360, "How far: red to yellow is about 60.")},
       .color = hue},
      {.name = "gamma",
       .text = "Raises each channel x to the power of 1 / gamma.",
       .parameters = {one_number("gamma", 1.5, 0.25, 4, "Above 1 the shadows get brighter, below darker.")},
       .color = gamma},
      {.name = "sepia",
       .text = "Makes the picture brown, as old photographs are.",
       .parameters = {one_number("amount", 1, 0, 1, "0 leaves the picture as it is.")},
       .color = sepia},
  };
}

ParameterInfo tint_intensity() {
  return {.name = "intensity",
          .type = ParameterType::kNumber,
          .default_value = 0.5,
          .minimum = -1,
          .maximum = 1,
          .text = "What is added to the channel, as a part of full scale."};
}

}  // namespace

std::vector<EffectInfo> builtin_effects() {
  std::vector<EffectInfo> all{
      {.name = "none",
       .text = "Leaves frames untouched, without any conversion.",
       .parameters = {},
       .color = none},
      {.name = "red_tint",
       .text = "Adds intensity to the red channel.",
       .parameters = {tint_intensity()},
       .color = tint<0>},
      {.name = "green_tint",
       .text = "Adds intensity to the green channel.",
       .parameters = {tint_intensity()},
       .color = tint<1>},
      {.name = "blue_tint",
       .text = "Adds intensity to the blue channel.",
       .parameters = {tint_intensity()},
       .color = tint<2>},
      {.name = "grayscale",
       .text = "Replaces all three channels by 0.299 R + 0.587 G + 0.114 B.",
       .parameters = {},
       .color = grayscale},
      {.name = "invert", .text = "Replaces each channel x by 1 - x.", .parameters = {}, .color = invert},
      {.name = "brightness",
       .text = "Adds intensity - 0.5 to every channel.",
       .parameters = {{.name = "intensity",
                       .type = ParameterType::kNumber,
                       .default_value = 0.5,
                       .minimum = 0,
                       .maximum = 1,
                       .text = "0 is darkest, 0.5 leaves the picture as it is, 1 is brightest."}},
       .color = brightness},
      {.name = "color_shift",
       .text = "Adds to each channel its own entry of color_shift.",
       .parameters = {{.name = "color_shift",
                       .type = ParameterType::kNumberList,
                       .default_value = std::vector<double>{0, 0, 0},
                       .minimum = -1,
                       .maximum = 1,
                       .length = 3,
                       .text = "What is added to red, green and blue, as a part of full scale."}},
       .color = color_shift},
  };
  for (EffectInfo& effect : more_color_effects()) all.push_back(std::move(effect));
  for (EffectInfo& effect : graph_effects()) all.push_back(std::move(effect));
  all.insert(all.end(), {torchscript_effect(), plugin_effect(), avfilter_effect(), exec_effect()});
  return all;
}

}  // namespace trickle::fx
