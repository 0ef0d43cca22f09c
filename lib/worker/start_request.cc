#include "worker/start_request.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <random>

#include "base/json_depth.h"
#include "base/try.h"
#include "worker/schema.h"

namespace trickle::worker {
namespace {

using nlohmann::json;

// Null and the empty string mean "none", as clients of the Python peer send them.
Result<std::string> read_optional(const json& body, std::string_view name) {
  const auto found = body.find(name);
  if (found == body.end() || found->is_null() || *found == "") return std::string();
  return read_text(*find_field(start_fields(), name), *found);
}

Result<void> read_urls(const json& body, StartRequest& request) {
  TRICKLE_TRY_ASSIGN(request.subscribe_url, read_optional(body, "subscribe_url"));
  TRICKLE_TRY_ASSIGN(request.publish_url, read_optional(body, "publish_url"));
  TRICKLE_TRY_ASSIGN(request.control_url, read_optional(body, "control_url"));
  TRICKLE_TRY_ASSIGN(request.events_url, read_optional(body, "events_url"));
  TRICKLE_TRY_ASSIGN(request.data_url, read_optional(body, "data_url"));
  if (request.subscribe_url.empty() && request.publish_url.empty()) {
    return unexpected(ErrorKind::kUsage, "subscribe_url or publish_url must be given");
  }
  return {};
}

}  // namespace

Result<json> parse_object(std::string_view body) {
  if (is_too_deep_json(body)) {
    return unexpected(ErrorKind::kUsage, fmt::format("the body is nested more than {} deep", kDeepestJson));
  }
  json document = json::parse(body, nullptr, false);
  if (document.is_discarded()) return unexpected(ErrorKind::kUsage, "the body is not valid JSON");
  if (!document.is_object()) return unexpected(ErrorKind::kUsage, "the body must be a JSON object");
  return document;
}

std::string make_up_id() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

Result<StartRequest> parse_start(std::string_view body, std::string_view header_id) {
  TRICKLE_TRY_ASSIGN(const json document, parse_object(body));
  StartRequest request;
  TRICKLE_TRY(read_urls(document, request));
  TRICKLE_TRY_ASSIGN(request.id, read_optional(document, "gateway_request_id"));
  if (request.id.empty() && header_id.empty()) request.id = make_up_id();
  if (request.id.empty()) {
    const Field& id = *find_field(start_fields(), "gateway_request_id");
    if (header_id.size() > static_cast<size_t>(id.maximum) || !is_plain_text(header_id)) {
      return unexpected(ErrorKind::kUsage, fmt::format("X-Stream-Id must be {}", allowed_values(id)));
    }
    request.id = header_id;
  }
  json params = json::object();
  if (const auto found = document.find("params"); found != document.end() && !found->is_null())
    params = *found;
  if (!params.is_object()) return unexpected(ErrorKind::kUsage, "params must be an object");
  TRICKLE_TRY_ASSIGN(auto update, apply_params({}, params, true));
  request.params = std::move(update.params);
  request.params_json = params.dump(-1, ' ', false, json::error_handler_t::replace);
  request.warnings = std::move(update.warnings);
  return request;
}

}  // namespace trickle::worker
