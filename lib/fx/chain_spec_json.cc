// The JSON spelling of a chain and of its updates.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "base/try.h"
#include "fx/chain_spec.h"
#include "fx/parameter_text.h"

namespace trickle::fx {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kEffectKeys[] = {"effect", "effects"};

bool is_effect_key(std::string_view key) { return key == kEffectKeys[0] || key == kEffectKeys[1]; }

// For error sentences. Never dumps what is nested: its depth is up to the sender, and dump() recurses.
std::string described(const Json& json) {
  if (json.is_object()) return "an object";
  if (json.is_array()) return "this list";
  return json.dump();
}

// For effects that check their parameters themselves.
ParameterValue as_text(const Json& json) {
  return json.is_string() ? json.get<std::string>() : described(json);
}

// What can't be one of our values becomes a text, for check_parameter() to refuse.
ParameterValue value_from_json(ParameterType type, const Json& json) {
  if (type == ParameterType::kNumber && json.is_number()) return json.get<double>();
  if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    return type == ParameterType::kString ? ParameterValue(text) : value_from_text(type, text);
  }
  if (type == ParameterType::kNumberList && json.is_array() &&
      std::all_of(json.begin(), json.end(), [](const Json& entry) { return entry.is_number(); })) {
    return json.get<std::vector<double>>();
  }
  return described(json);
}

Result<ParameterValue> checked_value(const EffectInfo& effect, const ParameterInfo& parameter,
                                     const Json& json) {
  ParameterValue value = value_from_json(parameter.type, json);
  if (parameter.type == ParameterType::kString && !json.is_string()) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("{} of {} must be {}, not {}", parameter.name, effect.name,
                                  allowed_values(parameter), described(json)));
  }
  TRICKLE_TRY(check_parameter(effect, parameter, value));
  return value;
}

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

// A parameter of effects that are not in the chain is checked all the same: a client that sends nonsense
// hears of it now and not when it switches effects.
Result<void> check_elsewhere(const std::string& name, const Json& json) {
  Result<void> last;
  for (const auto& effect : effects()) {
    const ParameterInfo* parameter = effect.find(name);
    if (parameter == nullptr) continue;
    auto value = checked_value(effect, *parameter, json);
    if (value) return {};
    last = unexpected(std::move(value).error());
  }
  return last;
}

class Updater {
 public:
  explicit Updater(const ChainSpec& current) { update_.chain = current; }

  Result<ChainUpdate> run(const Json& json) {
    if (json.is_array()) {
      TRICKLE_TRY(replace_chain(json));
      return std::move(update_);
    }
    if (!json.is_object()) {
      return unexpected(ErrorKind::kUsage,
                        "an update of effects must be a JSON object, or a list of effects");
    }
    TRICKLE_TRY(take_effect(json));
    for (const auto& [name, value] : json.items()) {
      if (!is_effect_key(name)) TRICKLE_TRY(share_parameter(name, value));
    }
    return std::move(update_);
  }

 private:
  Result<void> take_effect(const Json& json) {
    const bool one = json.contains(kEffectKeys[0]);
    const bool many = json.contains(kEffectKeys[1]);
    if (one && many) return unexpected(ErrorKind::kUsage, "give either effect or effects, not both");
    if (one) return replace_chain(json.at(std::string(kEffectKeys[0])));
    if (many) return replace_chain(json.at(std::string(kEffectKeys[1])));
    own_.assign(update_.chain.effects.size(), {});
    return {};
  }

  Result<void> replace_chain(const Json& json) {
    update_.chain.effects.clear();
    own_.clear();
    if (json.is_string()) return add_effect(json);
    if (!json.is_array()) {
      return unexpected(ErrorKind::kUsage, "effect must be the name of an effect, or a list of effects");
    }
    if (json.size() > kMostEffects) return unexpected(too_many_effects());
    for (const auto& entry : json) TRICKLE_TRY(add_effect(entry));
    return {};
  }

  // `json` is a name or an object with "effect" and parameters.
  Result<void> add_effect(const Json& json) {
    const Json* name = &json;
    if (json.is_object() && json.contains("effect")) name = &json.at("effect");
    if (!name->is_string()) {
      return unexpected(
          ErrorKind::kUsage,
          "each entry in a list of effects must be a name, or an object with effect and parameters");
    }
    const EffectInfo* effect = find_effect(name->get_ref<const std::string&>());
    if (effect == nullptr) return unexpected(unknown_effect(name->get_ref<const std::string&>()));
    update_.chain.effects.push_back({effect->name, effect->defaults()});
    own_.emplace_back();
    return json.is_object() ? own_parameters(*effect, json) : Result<void>{};
  }

  Result<void> own_parameters(const EffectInfo& effect, const Json& json) {
    for (const auto& [name, value] : json.items()) {
      if (name == "effect") continue;
      const ParameterInfo* parameter = effect.find(name);
      if (parameter == nullptr && effect.more_parameters) {
        update_.chain.effects.back().parameters.insert_or_assign(name, as_text(value));
        own_.back().push_back(name);
        continue;
      }
      if (parameter == nullptr) {
        TRICKLE_TRY(leave_out(name, value));
        continue;
      }
      TRICKLE_TRY_ASSIGN(auto checked, checked_value(effect, *parameter, value));
      update_.chain.effects.back().parameters.insert_or_assign(name, std::move(checked));
      own_.back().push_back(name);
    }
    return {};
  }

  Result<void> share_parameter(const std::string& name, const Json& json) {
    bool used = false;
    for (size_t i = 0; i < update_.chain.effects.size(); ++i) {
      EffectSpec& spec = update_.chain.effects[i];
      const EffectInfo& effect = *find_effect(spec.effect);
      const ParameterInfo* parameter = effect.find(name);
      if (parameter == nullptr && !effect.more_parameters) continue;
      // A name that other effects know is theirs, unless this one was given it before.
      if (parameter == nullptr && is_known_parameter(name) && !spec.parameters.contains(name)) continue;
      used = true;
      if (std::find(own_[i].begin(), own_[i].end(), name) != own_[i].end()) continue;
      if (parameter == nullptr) {
        spec.parameters.insert_or_assign(name, as_text(json));
        continue;
      }
      TRICKLE_TRY_ASSIGN(auto checked, checked_value(effect, *parameter, json));
      spec.parameters.insert_or_assign(name, std::move(checked));
    }
    return used ? Result<void>{} : leave_out(name, json);
  }

  Result<void> leave_out(const std::string& name, const Json& json) {
    if (!is_known_parameter(name)) {
      add_once(update_.unknown, name);
      return {};
    }
    TRICKLE_TRY(check_elsewhere(name, json));
    add_once(update_.unused, name);
    return {};
  }

  ChainUpdate update_;
  std::vector<std::vector<std::string>> own_;  // For each effect, the parameters that its own entry gave.
};

Json effect_json(const EffectSpec& spec) {
  Json json{{"effect", spec.effect}};
  for (const auto& [name, value] : spec.parameters) {
    json[name] = std::visit([](const auto& v) { return Json(v); }, value);
  }
  return json;
}

}  // namespace

Result<ChainUpdate> apply_update(const ChainSpec& current, const Json& update) {
  return Updater(current).run(update);
}

Result<ChainUpdate> apply_update_text(const ChainSpec& current, std::string_view json_text) {
  if (is_too_deep_json(json_text)) return unexpected(ErrorKind::kBadData, "the update is nested too deeply");
  const Json json = Json::parse(json_text, nullptr, false);
  if (json.is_discarded()) return unexpected(ErrorKind::kBadData, "the update is not valid JSON");
  return apply_update(current, json);
}

Json to_json(const ChainSpec& chain) {
  if (chain.effects.empty()) return Json{{"effect", "none"}};
  if (chain.effects.size() == 1) return effect_json(chain.effects.front());
  Json list = Json::array();
  for (const auto& spec : chain.effects) list.push_back(effect_json(spec));
  return Json{{"effect", std::move(list)}};
}

std::string to_json_text(const ChainSpec& chain) {
  return to_json(chain).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace trickle::fx
