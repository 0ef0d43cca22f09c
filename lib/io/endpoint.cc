#include "io/endpoint.h"

#include <fmt/format.h>

#include <charconv>

namespace trickle {

std::string Endpoint::to_string() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return is_ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  Endpoint endpoint;
  std::string_view port = text;
  if (const size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    std::string_view host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
      host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
      return unexpected(ErrorKind::kUsage,
                        fmt::format("'{}' is not HOST:PORT: put an IPv6 address in brackets", text));
    }
    endpoint.host = host.empty() ? "0.0.0.0" : std::string(host);
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (error != std::errc() || end != port.data() + port.size() || port.empty()) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("'{}' is not HOST:PORT: the port is a number from 0 to 65535", text));
  }
  return endpoint;
}

}  // namespace trickle
