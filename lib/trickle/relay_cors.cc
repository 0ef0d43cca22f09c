// Relay: pages of other origins, as browsers ask about them (the Fetch standard's CORS protocol).
#include <fmt/format.h>

#include <algorithm>

#include "trickle/relay_state.h"

namespace trickle {
namespace {

constexpr const char* kExposed = "Lp-Trickle-Seq, Lp-Trickle-Latest, Lp-Trickle-Size, Lp-Trickle-Closed";

bool lists(const std::vector<std::string>& origins, std::string_view origin) {
  return std::any_of(origins.begin(), origins.end(),
                     [&](const std::string& listed) { return http::iequals(listed, origin); });
}

}  // namespace

Result<void> check_cors_origin(std::string_view text) {
  if (text == "*") return {};
  const size_t scheme_end = text.find("://");
  const std::string_view host = scheme_end == std::string_view::npos ? "" : text.substr(scheme_end + 3);
  if (!host.empty() && scheme_end > 0 && host.find_first_of("/?# ,") == std::string_view::npos) return {};
  return unexpected(ErrorKind::kUsage,
                    fmt::format("'{}' is no origin: write it like https://example.org, or * for all", text));
}

bool relay_answers_preflight(const Relay::State& state, http::Exchange& exchange) {
  const auto& origins = state.options.cors_origins;
  if (origins.empty()) return false;
  const http::RequestHead& head = exchange.head();
  const std::string_view origin = head.header("Origin");
  const bool everybody = lists(origins, "*");
  const bool allowed = !origin.empty() && (everybody || lists(origins, origin));
  if (!everybody) exchange.add_header("Vary", "Origin");
  if (allowed) {
    exchange.add_header("Access-Control-Allow-Origin", everybody ? "*" : origin);
    exchange.add_header("Access-Control-Expose-Headers", kExposed);
  }
  if (head.method != "OPTIONS" || head.header("Access-Control-Request-Method").empty()) return false;
  if (!allowed) {
    exchange.respond(plain_text(403, "Pages of this origin may not ask here"));
    return true;
  }
  exchange.respond({.status = 204,
                    .headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE"},
                                {"Access-Control-Allow-Headers",
                                 "Authorization, Content-Type, Expect-Content, Lp-Trickle-Reset"},
                                {"Access-Control-Max-Age", "86400"}}});
  return true;
}

}  // namespace trickle
