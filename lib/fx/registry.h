// The effects there are, with their parameters: the one source of --list, of GET /api/effects, of validation
// and of the manual page's table.
//
// Everything here is constant after start-up and may be read from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fx/color_step.h"
#include "fx/effect.h"
#include "fx/effect_host.h"
#include "fx/parameters.h"
#include "trickle/result.h"

namespace trickle::fx {

/// Which alternative of ParameterValue a parameter has: double, std::vector<double>, std::string.
enum class ParameterType : uint8_t { kNumber, kNumberList, kString };

struct ParameterInfo {
  std::string name;
  ParameterType type = ParameterType::kNumber;
  ParameterValue default_value;
  double minimum = 0;  ///< Of a number, and of each entry of a list.
  double maximum = 1;
  size_t length = 0;                   ///< Entries of a list.
  std::vector<std::string> choices{};  ///< What a text may be; empty: anything.
  std::string text;                    ///< One sentence for a person.
};

struct EffectInfo {
  std::string name;
  std::string text;  ///< One sentence for a person.
  std::vector<ParameterInfo> parameters;

  /// Set for an effect that changes each pixel's colour by itself; runs of them are folded into one pass.
  /// `parameters` holds every parameter of the effect, checked.
  ColorStep (*color)(const Parameters& parameters) = nullptr;
  /// Set for any other effect: makes a running one, ready for its first frame. May take long (a model is
  /// loaded).
  Result<std::unique_ptr<Effect>> (*create)(const Parameters& parameters,
                                            const EffectHostPtr& host) = nullptr;
  /// Set for an effect that can work on sound: whether one with these parameters does.
  bool (*takes_sound)(const Parameters& parameters) = nullptr;
  /// True where the effect is of use without sound too, though it takes it.
  bool sound_is_optional = false;
  /// True for an effect that runs programs or opens files of the machine's: not for strangers to ask for.
  bool reaches_out = false;
  /// True for an effect that takes parameters of any other name too, as texts, and checks them itself.
  bool more_parameters = false;

  /// The parameter of that name, or null.
  [[nodiscard]] const ParameterInfo* find(std::string_view parameter) const;
  /// Every parameter with its default.
  [[nodiscard]] Parameters defaults() const;
};

/// All effects, "none" first.
[[nodiscard]] std::span<const EffectInfo> effects();
/// Their names.
[[nodiscard]] std::vector<std::string> effect_names();
/// The effect of that name, or null.
[[nodiscard]] const EffectInfo* find_effect(std::string_view name);
/// True when some effect has a parameter of that name.
[[nodiscard]] bool is_known_parameter(std::string_view name);

/// Checks type, length and range. \return kUsage with a sentence that names effect, parameter and what is
/// allowed.
Result<void> check_parameter(const EffectInfo& effect, const ParameterInfo& parameter,
                             const ParameterValue& value);
/// "a number from -1 to 1", "a list of 3 numbers from -1 to 1".
[[nodiscard]] std::string allowed_values(const ParameterInfo& parameter);
/// kUsage: `unknown effect "x": it must be one of none, red_tint, …`.
[[nodiscard]] Error unknown_effect(std::string_view name);

/// "0.5", "[0, 0, 0]", or the text itself.
[[nodiscard]] std::string to_string(const ParameterValue& value);

/// The table of `trickle-fx --list`, lines ended by newlines.
[[nodiscard]] std::string list_text();
/// `{"effects":[{"name","text","parameters":[{"name","type","default","minimum","maximum","length","text"}]}]}`:
/// the body of GET /api/effects and of `trickle-fx --list --json`. `type` is number, list or string; what
/// does not apply to a type is left out.
[[nodiscard]] std::string list_json();

}  // namespace trickle::fx
