#include "cli/control_channel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <list>
#include <mutex>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/once_a_second.h"
#include "base/try.h"
#include "io/stop.h"
#include "io/unique_fd.h"

namespace trickle::cli {
namespace {

constexpr size_t kLongestLineBytes = size_t{1} << 20;
constexpr size_t kMostUnreadAnswerBytes = size_t{64} << 10;
constexpr size_t kMostPeers = 64;
constexpr std::chrono::milliseconds kLongestCatchUp{2000};
constexpr std::chrono::microseconds kLook{200};

std::string system_message(int error) { return std::generic_category().message(error); }

std::string answer_to(const Result<void>& result) {
  nlohmann::ordered_json answer{{"ok", result.has_value()}};
  if (!result) answer["error"] = result.error().to_string();
  return answer.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

// One writer of lines, and reader of their answers.
class Peer {
 public:
  explicit Peer(UniqueFd fd) : fd_(std::move(fd)) {
    int type = 0;
    socklen_t size = sizeof(type);
    is_socket_ = ::getsockopt(fd_.get(), SOL_SOCKET, SO_TYPE, &type, &size) == 0;
  }

  [[nodiscard]] pollfd wanted() const {
    const short events = unsent_.empty() ? POLLIN : POLLIN | POLLOUT;
    return {fd_.get(), events, 0};
  }

  [[nodiscard]] bool has_unread() const {
    int bytes = 0;
    return ::ioctl(fd_.get(), FIONREAD, &bytes) == 0 && bytes > 0;
  }

  // False when this peer is done with.
  [[nodiscard]] bool serve(short ready, const ControlHandler& handler) {
    if ((ready & POLLOUT) != 0 && !send_answers()) return false;
    return (ready & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) == 0 || receive(handler);
  }

 private:
  bool receive(const ControlHandler& handler) {
    std::array<char, 4096> buffer;
    // The descriptor may be shared with others, so its flags stay as they are; poll said that this won't
    // wait.
    const ssize_t got = is_socket_ ? ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT)
                                   : ::read(fd_.get(), buffer.data(), buffer.size());
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    if (got == 0) {
      // A last line without its newline is a line all the same.
      if (!line_.empty()) take_line(handler);
      return false;
    }
    for (const char c : std::string_view(buffer.data(), static_cast<size_t>(got))) {
      if (c == '\n') {
        if (!take_line(handler)) return false;
      } else if (line_.size() <= kLongestLineBytes) {
        line_ += c;
      }
    }
    return true;
  }

  bool take_line(const ControlHandler& handler) {
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    const bool blank = line_.find_first_not_of(" \t") == std::string::npos;
    Result<void> result;
    if (line_.size() > kLongestLineBytes) {
      result = unexpected(ErrorKind::kUsage,
                          fmt::format("a control line is longer than {} bytes", kLongestLineBytes));
    } else if (!blank) {
      result = handler(line_);
    }
    line_.clear();
    if (!result) report(result.error());
    return blank || answer(answer_to(result));
  }

  void report(const Error& refusal) {
    if (const auto count = refusals_.add(std::chrono::steady_clock::now())) {
      log::warning("control: {} ({} refused)", refusal.to_string(), *count);
    }
  }

  bool answer(const std::string& text) {
    if (!is_socket_) return true;
    if (unsent_.size() + text.size() > kMostUnreadAnswerBytes) {
      log::warning("control: a client does not read its answers and is cut off");
      return false;
    }
    unsent_ += text;
    return send_answers();
  }

  bool send_answers() {
    const ssize_t sent = ::send(fd_.get(), unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    unsent_.erase(0, static_cast<size_t>(sent));
    return true;
  }

  UniqueFd fd_;
  bool is_socket_ = false;
  std::string line_;
  std::string unsent_;
  OnceASecond refusals_;
};

// A socket's place in the file system, removed with its owner.
class SocketPath {
 public:
  SocketPath() = default;
  explicit SocketPath(std::string path) : path_(std::move(path)) {}
  SocketPath(SocketPath&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  SocketPath& operator=(SocketPath&&) = delete;
  ~SocketPath() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

 private:
  std::string path_;
};

class Channel final : public ControlChannel {
 public:
  Channel(UniqueFd peer, UniqueFd listener, SocketPath path, ControlHandler handler)
      : listener_(std::move(listener)), path_(std::move(path)), handler_(std::move(handler)) {
    if (peer) peers_.emplace_back(std::move(peer));
    thread_ = std::thread([this] { run(); });
  }
  ~Channel() override {
    stop_.request_stop();
    thread_.join();
  }

  void catch_up() override {
    std::unique_lock lock(mutex_, std::defer_lock);
    const auto deadline = std::chrono::steady_clock::now() + kLongestCatchUp;
    while (lock.try_lock_until(deadline)) {
      if (!has_unread_lines() || std::chrono::steady_clock::now() >= deadline) return;
      lock.unlock();
      std::this_thread::sleep_for(kLook);
    }
  }

 private:
  void run() {
    while (!stop_.token().stop_requested() && (listener_ || !peers_.empty())) {
      std::vector<pollfd> polled{{stop_.token().fd(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      for (const Peer& peer : peers_) polled.push_back(peer.wanted());
      if (::poll(polled.data(), polled.size(), -1) < 0) {
        if (errno != EINTR) return;
        continue;
      }
      auto ready = polled.begin() + 2;
      const std::lock_guard lock(mutex_);
      for (auto peer = peers_.begin(); peer != peers_.end(); ++ready) {
        const bool stays = ready->revents == 0 || peer->serve(ready->revents, handler_);
        peer = stays ? std::next(peer) : peers_.erase(peer);
      }
      if (polled[1].revents != 0) accept_peer();
    }
  }

  void accept_peer() {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) return;
    if (peers_.size() == kMostPeers) {
      log::warning("control: more than {} clients: one is turned away", kMostPeers);
      return;
    }
    peers_.emplace_back(std::move(fd));
  }

  [[nodiscard]] bool has_unread_lines() const {
    return std::any_of(peers_.begin(), peers_.end(), [](const Peer& peer) { return peer.has_unread(); });
  }

  UniqueFd listener_;
  SocketPath path_;
  ControlHandler handler_;
  std::timed_mutex mutex_;  // Held while lines are handled; guards peers_, which only the thread changes.
  std::list<Peer> peers_;
  StopSource stop_;
  std::thread thread_;
};

Result<UniqueFd> given_descriptor(const std::string& where) {
  int fd = -1;
  const char* const last = where.data() + where.size();
  const auto [end, error] = std::from_chars(where.data() + 3, last, fd);
  if (error != std::errc() || end != last || fd < 0 || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("--control {}: there is no such open descriptor", where));
  }
  return UniqueFd(fd);
}

bool is_dead_socket(const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(address.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
         errno == ECONNREFUSED;
}

Result<UniqueFd> listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return unexpected(ErrorKind::kUsage, fmt::format("--control {}: a socket's path has 1 to {} bytes", path,
                                                     sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (is_dead_socket(address)) ::unlink(path.c_str());
  // Only the owner may steer; nobody can connect before listen().
  if (::bind(fd.get(), generic, sizeof(address)) != 0 || ::chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0 ||
      ::listen(fd.get(), 8) != 0) {
    const int error = errno;
    return unexpected(error == EADDRINUSE ? ErrorKind::kUsage : ErrorKind::kIo,
                      fmt::format("--control {}: {}", path, system_message(error)));
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<ControlChannel>> ControlChannel::start(const std::string& where,
                                                              ControlHandler handler) {
  if (where.starts_with("fd:")) {
    TRICKLE_TRY_ASSIGN(UniqueFd fd, given_descriptor(where));
    return std::unique_ptr<ControlChannel>(
        std::make_unique<Channel>(std::move(fd), UniqueFd(), SocketPath(), std::move(handler)));
  }
  TRICKLE_TRY_ASSIGN(UniqueFd fd, listen_at(where));
  return std::unique_ptr<ControlChannel>(
      std::make_unique<Channel>(UniqueFd(), std::move(fd), SocketPath(where), std::move(handler)));
}

}  // namespace trickle::cli
