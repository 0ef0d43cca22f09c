#include "integration/fake_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>

namespace trickle::testing {
namespace {

// Waits for something to read; false when the server stops first.
bool readable(int fd, const std::atomic<bool>& stopping) {
  while (!stopping) {
    pollfd entry{fd, POLLIN, 0};
    if (::poll(&entry, 1, 50) > 0) return true;
  }
  return false;
}

bool receive(int fd, std::string& to, const std::atomic<bool>& stopping) {
  if (!readable(fd, stopping)) return false;
  std::array<char, 65536> buffer{};
  const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (n <= 0) return false;
  to.append(buffer.data(), static_cast<size_t>(n));
  return true;
}

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

bool FakeExchange::fill() {
  if (gone_ || !receive(fd_, pending_, stopping_)) gone_ = true;
  return !gone_;
}

std::optional<std::string> FakeExchange::read_chunk() {
  size_t line_end = 0;
  while ((line_end = pending_.find("\r\n")) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  const size_t size = std::stoul(pending_.substr(0, line_end), nullptr, 16);
  while (pending_.size() < line_end + 2 + size + 2) {
    if (!fill()) return std::nullopt;
  }
  std::string chunk = pending_.substr(line_end + 2, size);
  pending_.erase(0, line_end + 2 + size + 2);
  return size == 0 ? std::nullopt : std::optional(std::move(chunk));
}

std::string FakeExchange::read_body() {
  std::string body;
  if (!request_.headers.contains("transfer-encoding")) return body;
  while (auto chunk = read_chunk()) body += *chunk;
  return body;
}

void FakeExchange::send(std::string_view bytes) {
  while (!bytes.empty() && !gone_) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) {
      gone_ = true;
    } else {
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
}

void FakeExchange::answer(int status, std::string_view headers, std::string_view body) {
  const bool old_style = version_ == "HTTP/1.0";
  const std::string length = old_style ? "" : fmt::format("Content-Length: {}\r\n", body.size());
  send(fmt::format("{} {} Status\r\n{}{}\r\n{}", version_, status, headers, length, body));
  close_ = close_ || old_style;
}

void FakeExchange::begin(int status, std::string_view headers) {
  send(fmt::format("HTTP/1.1 {} Status\r\n{}Transfer-Encoding: chunked\r\n\r\n", status, headers));
}

void FakeExchange::chunk(std::string_view bytes) { send(fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes)); }

void FakeExchange::reset() {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close_ = true;
}

void FakeExchange::hang() {
  while (fill()) pending_.clear();
}

void FakeExchange::stall() {
  pollfd entry{fd_, POLLRDHUP, 0};
  while (!stopping_ && ::poll(&entry, 1, 50) == 0) {
  }
  close_ = true;
}

FakeServer::FakeServer(Handler handler) : handler_(std::move(handler)) {
  listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_.get(), 64) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("the fake server can't listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

FakeServer::~FakeServer() {
  stopping_ = true;
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
}

std::string FakeServer::url(std::string_view path) const {
  return fmt::format("http://127.0.0.1:{}{}", port_, path);
}

std::vector<std::string> FakeServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

size_t FakeServer::count(std::string_view request) const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count(requests_.begin(), requests_.end(), request));
}

bool FakeServer::wait_for(std::string_view request, size_t times) {
  std::unique_lock lock(mutex_);
  return arrived_.wait_for(lock, std::chrono::seconds(20), [&] {
    return static_cast<size_t>(std::count(requests_.begin(), requests_.end(), request)) >= times;
  });
}

int FakeServer::wait_until_all_closed() {
  std::unique_lock lock(mutex_);
  arrived_.wait_for(lock, std::chrono::seconds(20), [&] { return open_connections_ == 0; });
  return open_connections_;
}

void FakeServer::accept_all() {
  while (readable(listener_.get(), stopping_)) {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const int at_once = 1;  // Or small pieces wait for the client's acknowledgements.
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    const int number = ++connections_;
    threads_.emplace_back([this, fd, number] { serve(fd, number); });
  }
}

std::optional<FakeRequest> FakeServer::read_request(int fd, std::string& pending) {
  size_t end = 0;
  while ((end = pending.find("\r\n\r\n")) == std::string::npos) {
    if (!receive(fd, pending, stopping_)) return std::nullopt;
  }
  FakeRequest request;
  const std::string head = pending.substr(0, end + 2);
  pending.erase(0, end + 4);
  size_t at = head.find("\r\n");
  const std::string first = head.substr(0, at);
  if (first.find(' ') == std::string::npos) return std::nullopt;  // The rest of what was answered early.
  request.method = first.substr(0, first.find(' '));
  request.target = first.substr(request.method.size() + 1, first.rfind(' ') - request.method.size() - 1);
  for (at += 2; at < head.size();) {
    const size_t line_end = head.find("\r\n", at);
    const std::string line = head.substr(at, line_end - at);
    const size_t colon = line.find(':');
    request.headers[lower_case(line.substr(0, colon))] = line.substr(line.find_first_not_of(' ', colon + 1));
    at = line_end + 2;
  }
  return request;
}

void FakeServer::serve(int fd, int number) {
  const UniqueFd owner(fd);
  struct Count {
    FakeServer& server;
    explicit Count(FakeServer& counted) : server(counted) { add(1); }
    ~Count() { add(-1); }
    void add(int change) const {
      const std::lock_guard lock(server.mutex_);
      server.open_connections_ += change;
      server.arrived_.notify_all();
    }
  };
  const Count count(*this);
  std::string pending;
  while (auto request = read_request(fd, pending)) {
    request->connection = number;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request->method + " " + request->target);
    }
    arrived_.notify_all();
    FakeExchange exchange(fd, *std::move(request), pending, stopping_);
    handler_(exchange);
    if (exchange.closes()) return;
  }
}

}  // namespace trickle::testing
