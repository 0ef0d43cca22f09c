#include "io/private_address.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace trickle {
namespace {

struct Network {
  uint32_t address;
  int bits;
};

// The special-purpose address registry of IANA (RFC 6890), as far as it is not reachable from anywhere.
constexpr std::array<Network, 14> kSpecial{{
    {0x00000000, 8},   // "This network"; 0.0.0.0 is this machine.
    {0x0a000000, 8},   // Private.
    {0x64400000, 10},  // Carrier-grade NAT.
    {0x7f000000, 8},   // Loopback.
    {0xa9fe0000, 16},  // Link-local; clouds serve their credentials here.
    {0xac100000, 12},  // Private.
    {0xc0000000, 24},  // Protocol assignments.
    {0xc0000200, 24},  // Documentation.
    {0xc0a80000, 16},  // Private.
    {0xc6120000, 15},  // Benchmarks.
    {0xc6336400, 24},  // Documentation.
    {0xcb007100, 24},  // Documentation.
    {0xe0000000, 4},   // Multicast.
    {0xf0000000, 4},   // Reserved, broadcast.
}};

bool is_private(uint32_t address) {
  return std::any_of(kSpecial.begin(), kSpecial.end(), [&](const Network& network) {
    return (address ^ network.address) >> (32 - network.bits) == 0;
  });
}

bool is_private(const in6_addr& address) {
  const auto& bytes = address.s6_addr;
  const auto embedded = [&](size_t at) {
    return static_cast<uint32_t>(bytes[at]) << 24 | static_cast<uint32_t>(bytes[at + 1]) << 16 |
           static_cast<uint32_t>(bytes[at + 2]) << 8 | static_cast<uint32_t>(bytes[at + 3]);
  };
  if (IN6_IS_ADDR_V4MAPPED(&address)) return is_private(embedded(12));
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return is_private(embedded(2));            // 6to4.
  if (bytes[0] == 0x00 && bytes[1] == 0x64 && bytes[2] == 0xff && bytes[3] == 0x9b) {  // NAT64.
    return is_private(embedded(12));
  }
  return (bytes[0] & 0xe0) != 0x20;  // Global unicast is 2000::/3.
}

}  // namespace

bool is_private_address(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    return is_private(ntohl(v4.sin_addr.s_addr));
  }
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address, sizeof v6);
  return address.sa_family != AF_INET6 || is_private(v6.sin6_addr);
}

}  // namespace trickle
