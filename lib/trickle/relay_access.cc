// Relay: who is let in.
#include "trickle/relay_state.h"

namespace trickle {
namespace {

// Nothing for what is open to everybody, and for what will be refused whoever asks.
std::optional<Wish> wish_of(const RelayTarget& target, std::string_view method) {
  const bool reads = method == "GET" || method == "HEAD";
  switch (target.kind) {
    case RelayTarget::Kind::kUnknown:
    case RelayTarget::Kind::kBadName:
    case RelayTarget::Kind::kHealth:
      return std::nullopt;
    case RelayTarget::Kind::kChannels:
    case RelayTarget::Kind::kMetrics:
      return Wish::kLookIn;
    case RelayTarget::Kind::kNext:
      return reads ? Wish::kReadNext : Wish::kWrite;
    case RelayTarget::Kind::kChannel:
    case RelayTarget::Kind::kLive:
    case RelayTarget::Kind::kPlaylist:
    case RelayTarget::Kind::kSegment:
      break;
  }
  return reads ? Wish::kRead : Wish::kWrite;
}

}  // namespace

bool relay_admits(const Relay::State& state, http::Exchange& exchange, const RelayTarget& target) {
  const auto wish = wish_of(target, exchange.head().method);
  if (!wish) return true;
  switch (state.options.access.decide(*wish, target.channel, token_of(exchange.head()))) {
    case Verdict::kAllowed:
      return true;
    case Verdict::kTokenNeeded:
      exchange.respond(
          plain_text(401, "A token is needed", {{"WWW-Authenticate", "Bearer realm=\"trickle\""}}));
      return false;
    case Verdict::kForbidden:
      exchange.respond(plain_text(403, "This token does not open that"));
      return false;
  }
  return false;
}

}  // namespace trickle
