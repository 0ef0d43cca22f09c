// Which addresses are not the public internet's.
#pragma once

#include <sys/socket.h>

namespace trickle {

/// True for an address in a private, loopback, link-local or other special network, and for what is no IP
/// address. `address` must be as long as its family says.
[[nodiscard]] bool is_private_address(const sockaddr& address);

}  // namespace trickle
