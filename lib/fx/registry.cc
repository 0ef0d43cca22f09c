#include "fx/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "fx/builtin_effects.h"

namespace trickle::fx {
namespace {

std::string number_range(const ParameterInfo& parameter) {
  return fmt::format("from {} to {}", parameter.minimum, parameter.maximum);
}

bool in_range(const ParameterInfo& parameter, double value) {
  return std::isfinite(value) && value >= parameter.minimum && value <= parameter.maximum;
}

bool is_allowed(const ParameterInfo& parameter, const ParameterValue& value) {
  switch (parameter.type) {
    case ParameterType::kNumber: {
      const auto* number = std::get_if<double>(&value);
      return number != nullptr && in_range(parameter, *number);
    }
    case ParameterType::kNumberList: {
      const auto* list = std::get_if<std::vector<double>>(&value);
      return list != nullptr && list->size() == parameter.length &&
             std::all_of(list->begin(), list->end(),
                         [&](double entry) { return in_range(parameter, entry); });
    }
    case ParameterType::kString: {
      const auto* string = std::get_if<std::string>(&value);
      const auto& choices = parameter.choices;
      return string != nullptr &&
             (choices.empty() || std::find(choices.begin(), choices.end(), *string) != choices.end());
    }
  }
  return false;
}

}  // namespace

const ParameterInfo* EffectInfo::find(std::string_view parameter) const {
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [&](const ParameterInfo& info) { return info.name == parameter; });
  return found == parameters.end() ? nullptr : &*found;
}

Parameters EffectInfo::defaults() const {
  Parameters values;
  for (const auto& parameter : parameters) values.emplace(parameter.name, parameter.default_value);
  return values;
}

std::span<const EffectInfo> effects() {
  static const std::vector<EffectInfo> all = builtin_effects();
  return all;
}

std::vector<std::string> effect_names() {
  std::vector<std::string> names;
  for (const EffectInfo& effect : effects()) names.push_back(effect.name);
  return names;
}

const EffectInfo* find_effect(std::string_view name) {
  for (const auto& effect : effects()) {
    if (effect.name == name) return &effect;
  }
  return nullptr;
}

bool is_known_parameter(std::string_view name) {
  const auto all = effects();
  return std::any_of(all.begin(), all.end(),
                     [&](const EffectInfo& effect) { return effect.find(name) != nullptr; });
}

std::string allowed_values(const ParameterInfo& parameter) {
  switch (parameter.type) {
    case ParameterType::kNumber:
      return "a number " + number_range(parameter);
    case ParameterType::kNumberList:
      return fmt::format("a list of {} numbers {}", parameter.length, number_range(parameter));
    case ParameterType::kString:
      if (!parameter.choices.empty()) return fmt::format("one of {}", fmt::join(parameter.choices, ", "));
      return "a text";
  }
  return {};
}

namespace {

// Foreign text in a sentence: quoted, and cut where it gets long.
std::string quoted(const ParameterValue& value) {
  constexpr size_t kLongest = 60;
  std::string text = to_string(value);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return std::holds_alternative<std::string>(value) ? "\"" + text + "\"" : text;
}

}  // namespace

Result<void> check_parameter(const EffectInfo& effect, const ParameterInfo& parameter,
                             const ParameterValue& value) {
  if (is_allowed(parameter, value)) return {};
  return unexpected(ErrorKind::kUsage, fmt::format("{} of {} must be {}, not {}", parameter.name, effect.name,
                                                   allowed_values(parameter), quoted(value)));
}

Error unknown_effect(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& effect : effects()) names.emplace_back(effect.name);
  return {ErrorKind::kUsage,
          fmt::format("unknown effect \"{}\": it must be one of {}", name, fmt::join(names, ", "))};
}

std::string to_string(const ParameterValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  if (const auto* list = std::get_if<std::vector<double>>(&value))
    return fmt::format("[{}]", fmt::join(*list, ", "));
  return std::get<std::string>(value);
}

}  // namespace trickle::fx
