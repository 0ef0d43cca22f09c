#include "io/systemd.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "io/unique_fd.h"

namespace trickle {
namespace {

std::optional<long long> number_in_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  long long number = 0;
  const char* end = text + std::strlen(text);
  const auto [last, failure] = std::from_chars(text, end, number);
  if (failure != std::errc() || last != end) return std::nullopt;
  return number;
}

}  // namespace

void notify_systemd(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  const size_t length = std::strlen(path);
  if (length >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // A name in the abstract namespace.
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  // Nothing depends on it: a manager that is gone or too busy misses one report.
  [[maybe_unused]] const ssize_t sent = ::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
                                                 reinterpret_cast<const sockaddr*>(&address), size);
}

std::optional<std::chrono::microseconds> systemd_watchdog() {
  const auto pid = number_in_environment("WATCHDOG_PID");
  if (pid && *pid != ::getpid()) return std::nullopt;
  const auto limit = number_in_environment("WATCHDOG_USEC");
  if (!limit || *limit <= 0) return std::nullopt;
  return std::chrono::microseconds(*limit);
}

}  // namespace trickle
