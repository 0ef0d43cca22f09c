// An address to listen on, as `--listen HOST:PORT` takes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "trickle/result.h"

namespace trickle {

struct Endpoint {
  std::string host = "127.0.0.1";  ///< A name or an address, without the brackets of an IPv6 one.
  uint16_t port = 0;               ///< 0: any free one.

  /// "127.0.0.1:3389", "[::1]:3389".
  [[nodiscard]] std::string to_string() const;
};

/// Parses "HOST:PORT", "[IPV6]:PORT", ":PORT" (all interfaces) or "PORT" (loopback).
/// \return kUsage with a sentence when it is none of these.
Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace trickle
