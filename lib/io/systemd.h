// Telling systemd how a service is doing: the sd_notify(3) protocol, one datagram to the socket that
// $NOTIFY_SOCKET names.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace trickle {

/// Sends a state such as "READY=1", "STOPPING=1" or "WATCHDOG=1"; does nothing where no one listens. Any
/// thread.
void notify_systemd(std::string_view state);

/// Within which time systemd wants to hear "WATCHDOG=1" from this process; nothing where it does not.
[[nodiscard]] std::optional<std::chrono::microseconds> systemd_watchdog();

}  // namespace trickle
