#include "integration/fault_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>

namespace trickle::testing {
namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

struct FaultProxy::Link {
  UniqueFd client, server;
  Fate fate;
  std::atomic<int64_t> bytes_left;
  std::atomic<bool> dead{false};

  void kill() {
    if (dead.exchange(true)) return;
    const linger now{1, 0};
    for (const int fd : {client.get(), server.get()}) {
      if (fate.reset) ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
      ::shutdown(fd, SHUT_RDWR);
    }
  }
};

FaultProxy::FaultProxy(uint16_t upstream_port, uint64_t seed)
    : upstream_port_(upstream_port),
      random_(seed),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_.get(), 64) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("the proxy can't listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

FaultProxy::~FaultProxy() {
  stopping_ = true;
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
}

// Of ten connections four live for some megabytes, so that there is progress whatever the seed.
FaultProxy::Fate FaultProxy::draw() {
  const auto below = [this](uint64_t limit) { return static_cast<int64_t>(random_() % limit); };
  Fate fate{1'000'000 + below(6'000'000), below(2) == 0, 0, 65536};
  switch (below(10)) {
    case 0:
      fate.bytes_to_live = below(300);  // Often before the head is through.
      break;
    case 1:
    case 2:
      fate.bytes_to_live = below(60'000);
      break;
    case 3:
      fate.bytes_to_live = below(1'000'000);
      break;
    case 4:
      fate.delay_ms = static_cast<int>(1 + below(40));
      fate.bytes_to_live = 1'000'000 + below(1'000'000);
      break;
    case 5:
      fate.delay_ms = 1;
      fate.largest_piece = static_cast<size_t>(1 + below(700));
      fate.bytes_to_live = 20'000 + below(200'000);
      break;
    default:
      break;
  }
  return fate;
}

void FaultProxy::accept_all() {
  while (!stopping_) {
    pollfd entry{listener_.get(), POLLIN, 0};
    if (::poll(&entry, 1, 20) <= 0) continue;
    UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) continue;
    ++connections_;
    serve(std::move(client));
  }
}

void FaultProxy::serve(UniqueFd client) {
  auto link = std::make_shared<Link>();
  link->client = std::move(client);
  link->server.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  link->fate = draw();
  link->bytes_left = link->fate.bytes_to_live;
  const sockaddr_in address = loopback(upstream_port_);
  if (::connect(link->server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return;
  threads_.emplace_back([this, link] { pump(*link, link->client.get(), link->server.get()); });
  threads_.emplace_back([this, link] { pump(*link, link->server.get(), link->client.get()); });
}

void FaultProxy::pump(Link& link, int from, int to) {
  std::array<char, 65536> buffer{};
  while (!stopping_ && !link.dead) {
    pollfd entry{from, POLLIN, 0};
    if (::poll(&entry, 1, 20) <= 0) continue;
    if (link.fate.delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(link.fate.delay_ms));
    const ssize_t n = ::recv(from, buffer.data(), std::min(buffer.size(), link.fate.largest_piece), 0);
    if (n <= 0) {
      ::shutdown(to, SHUT_WR);
      return;
    }
    const int64_t left = link.bytes_left.fetch_sub(n);
    const auto size = static_cast<size_t>(std::clamp<int64_t>(left, 0, n));
    for (size_t at = 0; at < size;) {
      const ssize_t sent = ::send(to, buffer.data() + at, size - at, MSG_NOSIGNAL);
      if (sent <= 0) return link.kill();
      at += static_cast<size_t>(sent);
    }
    if (left <= n) {
      ++killed_;
      return link.kill();
    }
  }
}

}  // namespace trickle::testing
