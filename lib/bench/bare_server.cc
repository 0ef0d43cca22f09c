#include "bench/bare_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/try.h"
#include "io/unique_fd.h"

namespace trickle::bench {
namespace {

constexpr size_t kBufferBytes = 256 * 1024;
constexpr std::string_view kEmptyAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

// Finds the end of a chunked body in what is passed on as it is.
class ChunkWalker {
 public:
  // \return how many of `bytes` belong to the body; done() tells whether that was its end.
  size_t walk(std::string_view bytes) {
    size_t at = 0;
    while (at < bytes.size() && !done_) {
      if (left_ > 0) {
        const size_t step = std::min(left_, bytes.size() - at);
        left_ -= step;
        at += step;
        continue;
      }
      const char next = bytes[at++];
      line_ += next;
      if (next == '\n') end_line();
    }
    return at;
  }
  bool done() const { return done_; }

 private:
  void end_line() {
    size_t size = 0;
    std::from_chars(line_.data(), line_.data() + line_.size(), size, 16);
    if (last_) done_ = line_ == "\r\n";
    last_ = last_ || size == 0;
    left_ = last_ ? 0 : size + 2;
    line_.clear();
  }
  std::string line_;
  size_t left_ = 0;
  bool last_ = false;
  bool done_ = false;
};

struct Segment;

struct Peer {
  UniqueFd fd;
  std::string in;       // A request that is not complete yet.
  std::string pending;  // Refused by the socket.
  std::string written_to;
  Segment* writes = nullptr;
  ChunkWalker walker;
};

struct Segment {
  std::string bytes;  // As received, chunk framing and all.
  bool done = false;
  std::vector<Peer*> readers;
};

}  // namespace

struct BareServer::State {
  uint64_t flip_every = 0;
  uint64_t sends = 0;
  UniqueFd listener;
  UniqueFd epoll{::epoll_create1(EPOLL_CLOEXEC)};
  std::unordered_map<int, std::unique_ptr<Peer>> peers;
  std::unordered_map<std::string, Segment> segments;
  std::vector<char> buffer = std::vector<char>(kBufferBytes);

  void watch(int fd, uint32_t events, int operation) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    ::epoll_ctl(epoll.get(), operation, fd, &event);
  }
  void accept_all();
  void on_event(Peer& peer, uint32_t events);
  void take(Peer& peer, std::string_view bytes);
  void take_body(Peer& peer, std::string_view& bytes);
  void serve(Peer& peer, std::string_view head);
  void send(Peer& peer, std::string_view bytes);
  void drop(Peer& peer);
  void forget_channel(const std::string& path);
  static std::string answer_head(const std::string& path) {
    return fmt::format("HTTP/1.1 200 OK\r\nLp-Trickle-Seq: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
                       path.substr(path.rfind('/') + 1));
  }
};

void BareServer::State::accept_all() {
  while (true) {
    UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return;
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto peer = std::make_unique<Peer>();
    const int number = fd.get();
    peer->fd = std::move(fd);
    peers[number] = std::move(peer);
    watch(number, EPOLLIN, EPOLL_CTL_ADD);
  }
}

void BareServer::State::send(Peer& peer, std::string_view bytes) {
  std::string spoilt;
  if (flip_every > 0 && ++sends % flip_every == 0) {
    spoilt = bytes;
    spoilt[spoilt.size() / 2] = static_cast<char>(spoilt[spoilt.size() / 2] ^ 1);
    bytes = spoilt;
  }
  if (!peer.pending.empty()) {
    peer.pending.append(bytes);
    return;
  }
  const ssize_t sent = ::send(peer.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(bytes.size())) return;
  if (sent < 0 && errno != EAGAIN) return;  // Its end is noticed by the loop.
  peer.pending.assign(bytes.substr(static_cast<size_t>(std::max<ssize_t>(sent, 0))));
  watch(peer.fd.get(), EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

void BareServer::State::take_body(Peer& peer, std::string_view& bytes) {
  const std::string_view body = bytes.substr(0, peer.walker.walk(bytes));
  bytes.remove_prefix(body.size());
  Segment& segment = *peer.writes;
  if (segment.bytes.empty()) {
    const std::string head = answer_head(peer.written_to);
    for (Peer* reader : segment.readers) send(*reader, head + std::string(body));
  } else {
    for (Peer* reader : segment.readers) send(*reader, body);
  }
  segment.bytes.append(body);
  if (!peer.walker.done()) return;
  segment.done = true;
  segment.readers.clear();
  peer.writes = nullptr;
  send(peer, kEmptyAnswer);
}

void BareServer::State::serve(Peer& peer, std::string_view head) {
  const size_t space = head.find(' ');
  const std::string_view method = head.substr(0, space);
  const std::string path(head.substr(space + 1, head.find(' ', space + 1) - space - 1));
  const bool names_segment = std::count(path.begin(), path.end(), '/') == 2;
  if (method == "GET") {
    Segment& segment = segments[path];
    if (!segment.bytes.empty()) send(peer, answer_head(path) + segment.bytes);
    if (!segment.done) segment.readers.push_back(&peer);
  } else if (method == "POST" && names_segment) {
    peer.writes = &segments[path];
    peer.written_to = path;
    peer.walker = ChunkWalker();
  } else {
    if (method == "DELETE") forget_channel(path);
    send(peer, kEmptyAnswer);
  }
}

void BareServer::State::forget_channel(const std::string& path) {
  for (auto& [name, segment] : segments) {
    if (!name.starts_with(path + "/")) continue;
    for (Peer* reader : segment.readers) send(*reader, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    segment.readers.clear();
  }
  for (auto& [fd, peer] : peers) peer->writes = nullptr;
  std::erase_if(segments, [&](const auto& entry) { return entry.first.starts_with(path + "/"); });
}

void BareServer::State::take(Peer& peer, std::string_view bytes) {
  while (!bytes.empty()) {
    if (peer.writes != nullptr) {
      take_body(peer, bytes);
      continue;
    }
    peer.in.append(bytes);
    const size_t end = peer.in.find("\r\n\r\n");
    if (end == std::string::npos) return;
    const size_t rest = peer.in.size() - (end + 4);
    bytes.remove_prefix(bytes.size() - rest);
    const std::string head = std::exchange(peer.in, {});
    serve(peer, head);
  }
}

void BareServer::State::drop(Peer& peer) {
  for (auto& [name, segment] : segments) std::erase(segment.readers, &peer);
  peers.erase(peer.fd.get());
}

void BareServer::State::on_event(Peer& peer, uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    const std::string pending = std::exchange(peer.pending, {});
    watch(peer.fd.get(), EPOLLIN, EPOLL_CTL_MOD);
    send(peer, pending);
  }
  if ((events & ~static_cast<uint32_t>(EPOLLOUT)) == 0) return;
  const ssize_t received = ::recv(peer.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (received <= 0) return drop(peer);
  take(peer, {buffer.data(), static_cast<size_t>(received)});
}

BareServer::BareServer(uint64_t flip_every) : state_(std::make_unique<State>()) {
  state_->flip_every = flip_every;
}

BareServer::~BareServer() = default;

Result<uint16_t> BareServer::listen(const Endpoint& endpoint) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  if (::inet_pton(AF_INET, endpoint.host.c_str(), &address.sin_addr) != 1) {
    return unexpected(ErrorKind::kUsage, "'" + endpoint.host + "' is no IPv4 address");
  }
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socklen_t size = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(fd.get(), SOMAXCONN) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return unexpected(ErrorKind::kIo,
                      fmt::format("cannot listen on {}: {}", endpoint.to_string(), std::strerror(errno)));
  }
  state_->listener = std::move(fd);
  state_->watch(state_->listener.get(), EPOLLIN, EPOLL_CTL_ADD);
  return ntohs(address.sin_port);
}

Result<void> BareServer::run(const StopToken& stop) {
  state_->watch(stop.fd(), EPOLLIN, EPOLL_CTL_ADD);
  std::array<epoll_event, 512> events;
  while (!stop.stop_requested()) {
    const int count = ::epoll_wait(state_->epoll.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      if (event.data.fd == state_->listener.get()) state_->accept_all();
      const auto found = state_->peers.find(event.data.fd);
      if (found != state_->peers.end()) state_->on_event(*found->second, event.events);
    }
  }
  return {};
}

}  // namespace trickle::bench
