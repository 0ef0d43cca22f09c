#include "worker/openapi.h"

#include <nlohmann/json.hpp>

#include "fx/registry.h"
#include "trickle/version.h"
#include "worker/schema.h"

namespace trickle::worker {
namespace {

using nlohmann::ordered_json;

// What a field takes besides its main type: strings that spell it.
ordered_json or_string(ordered_json type) { return {{"anyOf", {std::move(type), {{"type", "string"}}}}}; }

ordered_json type_of(const Field& field) {
  switch (field.type) {
    case FieldType::kText:
      return {{"type", "string"}, {"minLength", 1}, {"maxLength", field.maximum}};
    case FieldType::kUrl:
      return {{"type", "string"}, {"format", "uri"}, {"nullable", true}};
    case FieldType::kInteger:
      return or_string({{"type", "integer"}, {"minimum", field.minimum}, {"maximum", field.maximum}});
    case FieldType::kNumber:
    case FieldType::kBitrate:
      return or_string({{"type", "number"}, {"minimum", field.minimum}, {"maximum", field.maximum}});
    case FieldType::kBoolean:
      return {{"anyOf",
               {{{"type", "boolean"}},
                {{"type", "integer"}, {"enum", {0, 1}}},
                {{"type", "string"}, {"enum", {"true", "1", "yes", "false", "0", "no"}}}}}};
    case FieldType::kChoice:
      return {{"type", "string"}, {"enum", field.choices}};
    case FieldType::kObject:
      return {{"$ref", "#/components/schemas/Params"}};
    case FieldType::kEffect:
      break;
  }
  ordered_json names = ordered_json::array();
  for (const auto& effect : fx::effects()) names.push_back(effect.name);
  return {{"anyOf",
           {{{"type", "string"}, {"enum", names}}, {{"type", "array"}, {"items", ordered_json::object()}}}}};
}

ordered_json object_schema(std::span<const Field> fields, bool others_allowed) {
  ordered_json properties = ordered_json::object();
  for (const Field& field : fields) {
    ordered_json type = type_of(field);
    if (!type.contains("$ref")) {
      std::string text(field.text);
      if (!field.default_text.empty()) text += ". Default: " + std::string(field.default_text);
      if (field.only_at_start) text += ". Fixed when the stream starts";
      type["description"] = text;
    }
    properties[std::string(field.name)] = std::move(type);
  }
  return {
      {"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", others_allowed}};
}

ordered_json effect_properties() {
  ordered_json properties = ordered_json::object();
  for (const auto& effect : fx::effects()) {
    for (const auto& parameter : effect.parameters) {
      std::string text = properties.contains(parameter.name)
                             ? properties[parameter.name]["description"].get<std::string>() + "; "
                             : std::string();
      text += effect.name + ": " + parameter.text + " (" + fx::allowed_values(parameter) + ")";
      properties[parameter.name]["description"] = std::move(text);
    }
  }
  return properties;
}

ordered_json answer(const char* text) { return {{"description", text}}; }

ordered_json operation(const char* summary, ordered_json answers, const char* body = nullptr) {
  ordered_json result{{"summary", summary}, {"responses", std::move(answers)}};
  if (body != nullptr) {
    result["requestBody"] = {
        {"content",
         {{"application/json", {{"schema", {{"$ref", std::string("#/components/schemas/") + body}}}}}}}};
  }
  return result;
}

ordered_json paths() {
  ordered_json all = ordered_json::object();
  const ordered_json started{{"200", answer("Started")},
                             {"400", answer("Invalid; nothing was touched")},
                             {"408", answer("The body did not come in time")},
                             {"409", answer("The id is in use")},
                             {"413", answer("Body larger than 10 MB")},
                             {"415", answer("Not JSON")},
                             {"503", answer("Every slot is taken")}};
  const ordered_json updated{{"200", answer("Updated")},
                             {"400", answer("Invalid, or no such stream; nothing has changed")},
                             {"408", answer("The body did not come in time")},
                             {"413", answer("Body larger than 10 MB")},
                             {"415", answer("Not JSON")}};
  const ordered_json stopped{{"200", answer("Stopped and closed")}, {"400", answer("No such stream")}};
  const ordered_json shown{{"200", answer("As it is now")}};
  for (const std::string prefix : {"/api/stream", "/stream"}) {
    all[prefix + "/start"]["post"] = operation("Start a stream", started, "StartRequest");
    all[prefix + "/params"]["post"] = operation("Change parameters while it runs", updated, "Params");
    all[prefix + "/stop"]["post"] = operation("Stop a stream", stopped);
    all[prefix + "/status"]["get"] = operation("State, rates and parameters", shown);
  }
  all["/live-video-to-video"]["post"] = operation("Start a stream", started, "StartRequest");
  all["/api/streams"]["get"] = operation("Every stream", shown);
  all["/api/streams/{id}"]["get"] = operation("One stream", shown);
  all["/api/streams/{id}"]["delete"] = operation("Stop a stream", stopped);
  all["/api/streams/{id}/params"]["patch"] = operation("Change its parameters", updated, "Params");
  all["/api/effects"]["get"] = operation("Every effect with its parameters", shown);
  for (const char* path : {"/health", "/version", "/app-version", "/hardware/info", "/hardware/stats",
                           "/livez", "/readyz", "/metrics", "/openapi.json", "/"}) {
    all[path]["get"] = operation("See trickle-api(7)", shown);
  }
  return all;
}

}  // namespace

ordered_json openapi() {
  ordered_json params = object_schema(param_fields(), true);
  const ordered_json of_effects = effect_properties();
  for (const auto& [name, schema] : of_effects.items()) params["properties"][name] = schema;
  return {{"openapi", "3.0.3"},
          {"info", {{"title", "trickle-serve"}, {"version", version()}}},
          {"paths", paths()},
          {"components",
           {{"schemas",
             {{"StartRequest", object_schema(start_fields(), true)}, {"Params", std::move(params)}}}}}};
}

}  // namespace trickle::worker
