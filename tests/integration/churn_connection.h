// One connection of the churn: sends requests, and finds the heads in what comes back.
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <charconv>
#include <chrono>
#include <string>
#include <string_view>

#include "io/unique_fd.h"

namespace trickle::testing {

/// Blocking, with a deadline for each read.
class Connection {
 public:
  explicit Connection(uint16_t port, bool narrow = false)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int small = 8192;
    if (narrow) ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ended_ = ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0;
  }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  /// \return false at the end, and after `patience`.
  bool read(std::chrono::milliseconds patience) {
    pollfd poll_fd{fd_.get(), POLLIN, 0};
    if (ended_ || ::poll(&poll_fd, 1, static_cast<int>(patience.count())) <= 0) return false;
    char buffer[32768];
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    ended_ = n <= 0;
    if (n > 0) received.append(buffer, static_cast<size_t>(n));
    return n > 0;
  }
  /// The next head that is no interim one, taken out of `received`; empty when none came in time.
  std::string head(std::chrono::milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (true) {
      const size_t end = received.find("\r\n\r\n");
      if (end == std::string::npos) {
        if (ended_ || std::chrono::steady_clock::now() >= until ||
            (!read(std::chrono::milliseconds(100)) && ended_))
          return {};
        continue;
      }
      std::string head = received.substr(0, end + 4);
      received.erase(0, end + 4);
      if (!head.starts_with("HTTP/1.1 100")) return head;
    }
  }
  [[nodiscard]] bool ended() const { return ended_; }
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    fd_.reset();
  }
  std::string received;

 private:
  trickle::UniqueFd fd_;
  bool ended_ = false;
};

/// The number in a field of a head; -1 when there is none.
inline int64_t field(std::string_view head, std::string_view name) {
  const size_t at = head.find(name);
  int64_t value = -1;
  if (at != std::string_view::npos) {
    const std::string_view text = head.substr(at + name.size() + 2);
    std::from_chars(text.data(), text.data() + text.size(), value);
  }
  return value;
}

inline std::string request(const std::string& method, const std::string& path,
                           const std::string& headers = "") {
  std::string text = method;
  return text.append(" ").append(path).append(" HTTP/1.1\r\nHost: churn\r\n").append(headers).append("\r\n");
}

}  // namespace trickle::testing
