// A TCP client for tests that want to see, and to send, exactly what is on the wire.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>

#include "io/unique_fd.h"

namespace trickle::testing {

class RawClient {
 public:
  static constexpr std::chrono::seconds kDeadline{20};

  explicit RawClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;  // The server closed: what it answered is what counts.
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }

  /// Reads until `text` has been seen since the last take() (true), or the end or the deadline (false).
  bool wait_for(std::string_view text) {
    for (size_t from = 0; received_.find(text, from) == std::string::npos;) {
      from = received_.size() - std::min(received_.size(), text.size());
      if (!read_some()) return false;
    }
    return true;
  }

  /// Reads until the server closes. \return all that came since the last take().
  std::string read_to_end() {
    while (read_some()) {
    }
    return take();
  }

  /// Reads one answer with a Content-Length. \return its head and body.
  std::string read_answer() {
    if (!wait_for("\r\n\r\n")) return take();
    const size_t head_end = received_.find("\r\n\r\n") + 4;
    const size_t field = received_.find("Content-Length: ");
    const size_t length = field < head_end ? std::stoul(received_.substr(field + 16)) : 0;
    while (received_.size() < head_end + length && read_some()) {
    }
    const std::string answer = received_.substr(0, head_end + length);
    received_.erase(0, answer.size());
    return answer;
  }

  std::string take() { return std::exchange(received_, {}); }
  [[nodiscard]] bool ended() const { return ended_; }
  /// True when nothing can be read right now.
  [[nodiscard]] bool quiet() const {
    pollfd poll_fd{fd_.get(), POLLIN, 0};
    return received_.empty() && ::poll(&poll_fd, 1, 0) == 0;
  }
  void shutdown_send() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  bool read_some() {
    pollfd poll_fd{fd_.get(), POLLIN, 0};
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(kDeadline).count();
    if (::poll(&poll_fd, 1, static_cast<int>(wait)) <= 0) {
      ADD_FAILURE() << "nothing came in time; so far: " << received_;
      return false;
    }
    char buffer[65536];
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (n <= 0) {
      ended_ = true;
      return false;
    }
    received_.append(buffer, static_cast<size_t>(n));
    return true;
  }

  UniqueFd fd_;
  std::string received_;
  bool ended_ = false;
};

/// The body of a chunked answer, or "(not whole)" when the end mark is missing.
inline std::string dechunk(std::string_view body) {
  std::string data;
  while (true) {
    const size_t line_end = body.find("\r\n");
    if (line_end == std::string_view::npos) return "(not whole)";
    const size_t size = std::stoul(std::string(body.substr(0, line_end)), nullptr, 16);
    body.remove_prefix(line_end + 2);
    if (size == 0) return data;
    if (body.size() < size + 2) return "(not whole)";
    data.append(body.substr(0, size));
    body.remove_prefix(size + 2);
  }
}

inline std::string head_of(std::string_view answer) {
  return std::string(answer.substr(0, answer.find("\r\n\r\n")));
}
inline std::string body_of(std::string_view answer) {
  const size_t end = answer.find("\r\n\r\n");
  return end == std::string_view::npos ? std::string() : std::string(answer.substr(end + 4));
}

}  // namespace trickle::testing
