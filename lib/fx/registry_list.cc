// The registry as people (--list) and programs (--list --json, GET /api/effects) read it.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fx/registry.h"

namespace trickle::fx {
namespace {

using Json = nlohmann::ordered_json;

const char* type_name(ParameterType type) {
  switch (type) {
    case ParameterType::kNumber:
      return "number";
    case ParameterType::kNumberList:
      return "list";
    case ParameterType::kString:
      return "string";
  }
  return "";
}

Json value_json(const ParameterValue& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

Json parameter_json(const ParameterInfo& parameter) {
  Json json{{"name", parameter.name},
            {"type", type_name(parameter.type)},
            {"default", value_json(parameter.default_value)}};
  if (parameter.type != ParameterType::kString) {
    json["minimum"] = parameter.minimum;
    json["maximum"] = parameter.maximum;
  }
  if (parameter.type == ParameterType::kNumberList) json["length"] = parameter.length;
  if (!parameter.choices.empty()) json["choices"] = parameter.choices;
  json["text"] = parameter.text;
  return json;
}

}  // namespace

std::string list_json() {
  Json list = Json::array();
  for (const auto& effect : effects()) {
    Json parameters = Json::array();
    for (const auto& parameter : effect.parameters) parameters.push_back(parameter_json(parameter));
    list.push_back({{"name", effect.name}, {"text", effect.text}, {"parameters", std::move(parameters)}});
  }
  return Json{{"effects", std::move(list)}}.dump(2);
}

std::string list_text() {
  std::string text;
  for (const auto& effect : effects()) {
    text += fmt::format("{:<13} {}\n", effect.name, effect.text);
    for (const auto& parameter : effect.parameters) {
      const std::string usual = to_string(parameter.default_value);
      text += fmt::format("{:<15} {}: {}, {}. {}\n", "", parameter.name, allowed_values(parameter),
                          usual.empty() ? "no default" : "default " + usual, parameter.text);
    }
  }
  return text;
}

}  // namespace trickle::fx
