#include "fx/parameter_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>

namespace trickle::fx {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string_view without(std::string_view text, char open, char close) {
  if (text.size() >= 2 && text.front() == open && text.back() == close)
    return text.substr(1, text.size() - 2);
  return text;
}

std::optional<std::vector<double>> list_from_text(std::string_view text) {
  std::vector<double> list;
  text = without(trimmed(text), '[', ']');
  while (true) {
    const size_t comma = text.find(',');
    const auto entry = number_from_text(trimmed(text.substr(0, comma)));
    if (!entry) return std::nullopt;
    list.push_back(*entry);
    if (comma == std::string_view::npos) return list;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

std::optional<double> number_from_text(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
  return number;
}

ParameterValue value_from_text(ParameterType type, std::string_view text) {
  if (type == ParameterType::kNumber) {
    if (const auto number = number_from_text(text)) return *number;
  } else if (type == ParameterType::kNumberList) {
    if (auto list = list_from_text(text)) return *std::move(list);
  }
  return std::string(without(text, '\'', '\''));
}

std::string value_to_text(const ParameterValue& value) {
  if (const auto* list = std::get_if<std::vector<double>>(&value)) {
    return fmt::format("[{}]", fmt::join(*list, ","));
  }
  if (const auto* text = std::get_if<std::string>(&value)) return "'" + *text + "'";
  return fmt::format("{}", std::get<double>(value));
}

std::string parameter_names(const EffectInfo& effect) {
  if (effect.parameters.empty()) return "it has none";
  std::vector<std::string_view> names;
  for (const auto& parameter : effect.parameters) names.emplace_back(parameter.name);
  return fmt::format("it has {}", fmt::join(names, " and "));
}

}  // namespace trickle::fx
