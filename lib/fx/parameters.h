// The values that steer an effect.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace trickle::fx {

using ParameterValue = std::variant<double, std::vector<double>, std::string>;
/// The parameters of one effect by name.
using Parameters = std::map<std::string, ParameterValue, std::less<>>;

/// A parameter that is known to be there and to be of that type: the registry checks both.
[[nodiscard]] inline double number(const Parameters& parameters, std::string_view name) {
  return std::get<double>(parameters.find(name)->second);
}
[[nodiscard]] inline const std::string& text(const Parameters& parameters, std::string_view name) {
  return std::get<std::string>(parameters.find(name)->second);
}
[[nodiscard]] inline const std::vector<double>& numbers(const Parameters& parameters, std::string_view name) {
  return std::get<std::vector<double>>(parameters.find(name)->second);
}

}  // namespace trickle::fx
