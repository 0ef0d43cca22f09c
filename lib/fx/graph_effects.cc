#include "fx/graph_effects.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "fx/avfilter_effect.h"

namespace trickle::fx {
namespace {

ParameterInfo number_parameter(std::string name, double usual, double minimum, double maximum,
                               std::string sentence) {
  return {.name = std::move(name),
          .type = ParameterType::kNumber,
          .default_value = usual,
          .minimum = minimum,
          .maximum = maximum,
          .text = std::move(sentence)};
}

std::string blur(const Parameters& p) { return fmt::format("gblur=sigma={}", number(p, "radius")); }

std::string pixelate(const Parameters& p) {
  const auto side = std::lround(number(p, "size"));
  return fmt::format("pixelize=width={}:height={}", side, side);
}

std::string flip(const Parameters& p) {
  const std::string& direction = text(p, "direction");
  if (direction == "both") return "hflip,vflip";
  return direction == "vertical" ? "vflip" : "hflip";
}

// Quarter turns are exact and turn the frame with the picture; others keep the frame.
std::string rotate(const Parameters& p) {
  const double degrees = std::fmod(number(p, "degrees") + 720, 360);
  if (degrees == 0) return "null";
  if (degrees == 90) return "transpose=clock";
  if (degrees == 180) return "hflip,vflip";
  if (degrees == 270) return "transpose=cclock";
  return fmt::format("rotate=a={}*PI/180", degrees);
}

// Twice: once for the list of options, once for the graph.
std::string escaped(const std::string& plain) {
  const auto escape = [](const std::string& from, std::string_view special) {
    std::string to;
    for (const char c : from) {
      if (special.find(c) != std::string_view::npos) to += '\\';
      to += c;
    }
    return to;
  };
  return escape(escape(plain, "\\':"), "\\'[],;");
}

std::string overlay_text(const Parameters& p) {
  return fmt::format(
      "drawtext=expansion=none:text={}:fontsize=h*{}:fontcolor={}:x=(w-tw)*{}:y=(h-th)*{}:"
      "box=1:boxcolor=black@{}:boxborderw=6",
      escaped(text(p, "text")), number(p, "size"), escaped(text(p, "color")), number(p, "x"), number(p, "y"),
      number(p, "box"));
}

// One function for each effect, as the registry keeps plain pointers.
template <std::string (*kGraph)(const Parameters&)>
Result<std::unique_ptr<Effect>> create(const char* name, const Parameters& parameters,
                                       const EffectHostPtr& host) {
  return make_graph_effect(name, kGraph(parameters), host);
}

EffectInfo text_effect() {
  return {.name = "overlay_text",
          .text = "Writes a text over the picture.",
          .parameters = {{.name = "text",
                          .type = ParameterType::kString,
                          .default_value = std::string("trickle"),
                          .text = "What to write."},
                         number_parameter("x", 0.5, 0, 1, "Where it stands: 0 is left, 1 is right."),
                         number_parameter("y", 0.95, 0, 1, "0 is at the top, 1 at the bottom."),
                         number_parameter("size", 0.08, 0.01, 1,
                                          "The letters' height, as a part of the picture's."),
                         {.name = "color",
                          .type = ParameterType::kString,
                          .default_value = std::string("white"),
                          .text = "A name as FFmpeg knows them, or #RRGGBB."},
                         number_parameter("box", 0.5, 0, 1, "How dark the box behind it is; 0 is none.")},
          .create = [](const Parameters& p, const EffectHostPtr& host) {
            return create<overlay_text>("overlay_text", p, host);
          }};
}

}  // namespace

std::vector<EffectInfo> graph_effects() {
  return {
      {.name = "blur",
       .text = "Blurs the picture by a Gaussian.",
       .parameters = {number_parameter("radius", 5, 0.1, 200, "Its standard deviation, in pixels.")},
       .create = [](const Parameters& p,
                    const EffectHostPtr& host) { return create<blur>("blur", p, host); }},
      {.name = "pixelate",
       .text = "Makes squares of one colour each, the mean of what they cover.",
       .parameters = {number_parameter("size", 16, 2, 512, "Their side, in pixels.")},
       .create = [](const Parameters& p,
                    const EffectHostPtr& host) { return create<pixelate>("pixelate", p, host); }},
      {.name = "flip",
       .text = "Mirrors the picture.",
       .parameters = {{.name = "direction",
                       .type = ParameterType::kString,
                       .default_value = std::string("horizontal"),
                       .choices = {"horizontal", "vertical", "both"},
                       .text = "Which sides change places."}},
       .create = [](const Parameters& p,
                    const EffectHostPtr& host) { return create<flip>("flip", p, host); }},
      {.name = "rotate",
       .text = "Turns the picture clockwise.",
       .parameters = {number_parameter(
           "degrees", 90, -360, 360,
           "Quarter turns turn the frame too; others keep it, with black corners.")},
       .create = [](const Parameters& p,
                    const EffectHostPtr& host) { return create<rotate>("rotate", p, host); }},
      text_effect(),
  };
}

}  // namespace trickle::fx
