#include "io/fd_io.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <vector>

namespace trickle {
namespace {

// The standard descriptors have names that a user knows; whoever opened another says which it is.
Unexpected io_error(const char* what, int fd) {
  const std::string reason = std::generic_category().message(errno);
  const char* const name = fd == STDIN_FILENO    ? "standard input: "
                           : fd == STDOUT_FILENO ? "standard output: "
                                                 : "";
  return unexpected(ErrorKind::kIo, fmt::format("{}{}: {}", name, what, reason));
}

// Waits until `fd` has one of `events`; true when it has, false when the stop came first.
bool wait_for(int fd, short events, int stop_fd) {
  if (fd < 0) return true;  // poll(2) would wait on it for ever; the read or write reports it.
  std::array<pollfd, 2> fds{{{fd, events, 0}, {stop_fd, POLLIN, 0}}};
  while (true) {
    if (::poll(fds.data(), stop_fd >= 0 ? 2 : 1, -1) < 0) {
      if (errno == EINTR) continue;
      return true;  // Let the read or write itself report what is wrong with the descriptor.
    }
    if (stop_fd >= 0 && fds[1].revents != 0) return false;
    if (fds[0].revents != 0) return true;
  }
}

}  // namespace

Result<ReadOutcome> read_some(int fd, std::span<std::byte> buffer, const StopToken& stop) {
  while (true) {
    if (!wait_for(fd, POLLIN, stop.fd())) return ReadOutcome{ReadStatus::kEnd, 0};
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n > 0) return ReadOutcome{ReadStatus::kReady, static_cast<size_t>(n)};
    if (n == 0) return ReadOutcome{ReadStatus::kEnd, 0};
    if (errno != EINTR && errno != EAGAIN) return io_error("read failed", fd);
  }
}

Result<ReadOutcome> read_full(int fd, std::span<std::byte> buffer, const StopToken& stop) {
  size_t filled = 0;
  while (filled < buffer.size()) {
    auto outcome = read_some(fd, buffer.subspan(filled), stop);
    if (!outcome) return outcome;
    if (outcome->status == ReadStatus::kEnd) {
      return ReadOutcome{filled == 0 ? ReadStatus::kEnd : ReadStatus::kCutShort, filled};
    }
    filled += outcome->size_bytes;
  }
  return ReadOutcome{ReadStatus::kReady, filled};
}

Result<void> write_full(int fd, std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n >= 0) {
      data = data.subspan(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      wait_for(fd, POLLOUT, -1);
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return unexpected(ErrorKind::kClosed, "the reader of the output went away");
    } else if (errno != EINTR) {
      return io_error("write failed", fd);
    }
  }
  return {};
}

Result<void> write_until_stopped(int fd, std::span<const std::byte> data, const StopToken& stop) {
  while (!data.empty()) {
    // The signal that makes the stop also interrupts a write that is waiting.
    if (!wait_for(fd, POLLOUT, stop.fd())) return unexpected(ErrorKind::kCancelled, "stopped by a signal");
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n >= 0) {
      data = data.subspan(static_cast<size_t>(n));
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return unexpected(ErrorKind::kClosed, "the reader of the output went away");
    } else if (errno != EINTR && errno != EAGAIN) {
      return io_error("write failed", fd);
    }
  }
  return {};
}

WaitOutcome wait_readable(int fd, std::span<const int> wakers, std::optional<TimePoint> deadline) {
  std::vector<pollfd> fds{{fd, POLLIN, 0}};
  for (const int waker : wakers) fds.push_back({waker, POLLIN, 0});
  while (true) {
    int timeout_ms = -1;
    if (deadline) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(*deadline - system_clock().now()).count();
      timeout_ms = static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000));
    }
    const int ready = ::poll(fds.data(), fds.size(), timeout_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return WaitOutcome::kReadable;  // The read itself reports what is wrong.
    for (size_t i = 1; i < fds.size(); ++i) {
      if (fds[i].revents != 0) return WaitOutcome::kWoken;
    }
    if (fds[0].revents != 0) return WaitOutcome::kReadable;
    if (deadline && system_clock().now() >= *deadline) return WaitOutcome::kDeadline;
  }
}

bool reader_gone(int fd) {
  pollfd entry{fd, 0, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLERR | POLLHUP)) != 0;
}

bool writable_now(int fd) {
  pollfd entry{fd, POLLOUT, 0};
  return ::poll(&entry, 1, 0) > 0;
}

Result<Pipe> make_pipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) return io_error("can't make a pipe", -1);
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

void grow_pipe(int fd, size_t bytes) { ::fcntl(fd, F_SETPIPE_SZ, static_cast<int>(bytes)); }

}  // namespace trickle
