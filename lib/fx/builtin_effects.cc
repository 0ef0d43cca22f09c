#include "fx/builtin_effects.h"

#include "fx/avfilter_effect.h"
#include "fx/torchscript_effect.h"

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
  return {
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
      torchscript_effect(),
      avfilter_effect(),
  };
}

}  // namespace trickle::fx
