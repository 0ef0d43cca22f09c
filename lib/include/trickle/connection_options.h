// How to reach a trickle server: what Subscriber, Publisher and the tools that use them have in common.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace trickle {

struct ConnectionOptions {
  bool insecure = false;  ///< Accept any TLS certificate. Warned about when used.
  std::string ca_file{};  ///< PEM bundle to verify servers with; empty: the system's.
  /// Connect to no address in a private network, whatever a name resolves to at that moment. Where a proxy is
  /// configured it is the proxy that connects, and that must see to it.
  bool public_only = false;
  std::vector<std::string> headers{};  ///< Extra request headers, each "Name: value".
  std::string token{};                 ///< Sent as "Authorization: Bearer"; never logged. Empty: none.

  /// Consecutive failures that are retried before giving up; nullopt: for ever. Subscribers only count
  /// requests; publishers give up on time (server_timeout) unless this is nullopt.
  std::optional<int> retries = 5;
  std::chrono::milliseconds retry_first_delay{500};  ///< Doubles with each failure …
  std::chrono::milliseconds retry_last_delay{2000};  ///< … up to this.
};

}  // namespace trickle
