#include "trickle/params.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/json_depth.h"

namespace trickle {
namespace {

using nlohmann::ordered_json;

std::string dump(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::optional<double> to_number(const ordered_json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

struct Params::Object {
  ordered_json json = ordered_json::object();

  [[nodiscard]] const ordered_json* find(std::string_view name) const {
    const auto at = json.find(name);
    return at == json.end() ? nullptr : &*at;
  }
};

Params::Params() : object_(std::make_shared<const Object>()) {}
Params::Params(std::shared_ptr<const Object> object) : object_(std::move(object)) {}
Params::Params(const Params&) = default;
Params::Params(Params&& other) noexcept : object_(other.object_) {}  // The other one stays usable.
Params& Params::operator=(const Params&) = default;
Params& Params::operator=(Params&& other) noexcept {
  object_ = other.object_;
  return *this;
}
Params::~Params() = default;

Result<Params> Params::parse(std::string_view json) {
  if (is_too_deep_json(json)) return unexpected(ErrorKind::kUsage, "parameters must not be nested so deeply");
  ordered_json parsed = ordered_json::parse(json, nullptr, false);
  if (!parsed.is_object()) return unexpected(ErrorKind::kUsage, "parameters must be a JSON object");
  return Params(std::make_shared<const Object>(Object{std::move(parsed)}));
}

bool Params::has(std::string_view name) const { return object_->find(name) != nullptr; }

std::vector<std::string> Params::names() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : object_->json.items()) names.push_back(name);
  return names;
}

double Params::number(std::string_view name, double fallback) const {
  const auto* value = object_->find(name);
  return value == nullptr ? fallback : to_number(*value).value_or(fallback);
}

int64_t Params::integer(std::string_view name, int64_t fallback) const {
  const auto* value = object_->find(name);
  if (value == nullptr) return fallback;
  if (value->is_number_integer()) return value->get<int64_t>();
  const auto number = to_number(*value);
  constexpr double kExact = 9007199254740992.0;  // Beyond 2^53 doubles skip integers.
  if (!number || !(*number > -kExact && *number < kExact)) return fallback;
  return static_cast<int64_t>(*number);
}

bool Params::flag(std::string_view name, bool fallback) const {
  const auto* value = object_->find(name);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  if (value->is_number()) return value->get<double>() != 0;
  const std::string word = value->is_string() ? value->get<std::string>() : "";
  if (word == "true" || word == "1" || word == "yes") return true;
  if (word == "false" || word == "0" || word == "no") return false;
  return fallback;
}

std::string Params::text(std::string_view name, std::string_view fallback) const {
  const auto* value = object_->find(name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string(fallback);
}

std::vector<double> Params::numbers(std::string_view name) const {
  std::vector<double> result;
  const auto* value = object_->find(name);
  if (value == nullptr || !value->is_array()) return result;
  for (const auto& element : *value) {
    if (const auto number = to_number(element)) result.push_back(*number);
  }
  return result;
}

std::string Params::json() const { return dump(object_->json); }

std::string Params::json(std::string_view name) const {
  const auto* value = object_->find(name);
  return value == nullptr ? "" : dump(*value);
}

Params Params::merged_with(const Params& newer) const {
  Object merged = *object_;
  merged.json.update(newer.object_->json);
  return Params(std::make_shared<const Object>(std::move(merged)));
}

std::string json_string(std::string_view text) { return dump(ordered_json(std::string(text))); }

}  // namespace trickle
