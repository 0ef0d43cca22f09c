#include "bench/tcp.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/try.h"
#include "io/endpoint.h"

namespace trickle::bench {
namespace {

constexpr std::string_view kScheme = "http://";
// A server that says nothing for this long has hung.
constexpr timeval kAnswerTimeout{20, 0};

Unexpected network_error(const char* what) {
  return unexpected(ErrorKind::kNetwork, fmt::format("{}: {}", what, std::strerror(errno)));
}

}  // namespace

Result<ServerAddress> resolve_server(const std::string& url) {
  if (!url.starts_with(kScheme)) {
    return unexpected(ErrorKind::kUsage, "'" + url + "' is no URL of the form http://HOST:PORT/");
  }
  ServerAddress server;
  const size_t slash = url.find('/', kScheme.size());
  server.authority = url.substr(kScheme.size(), slash - kScheme.size());
  server.base = slash == std::string::npos ? "/" : url.substr(slash);
  if (!server.base.ends_with('/')) server.base += '/';
  const bool with_port = server.authority.find(':') != std::string::npos;
  TRICKLE_TRY_ASSIGN(const Endpoint endpoint, parse_endpoint(server.authority + (with_port ? "" : ":80")));
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found);
  if (error != 0) {
    return unexpected(ErrorKind::kNetwork,
                      fmt::format("cannot resolve '{}': {}", endpoint.host, ::gai_strerror(error)));
  }
  std::memcpy(&server.address, found->ai_addr, sizeof server.address);
  ::freeaddrinfo(found);
  return server;
}

Result<UniqueFd> connect_to(const ServerAddress& server, Blocking blocking, int receive_buffer_bytes) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return network_error("cannot make a socket");
  if (receive_buffer_bytes > 0) {
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  }
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof kAnswerTimeout);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&server.address), sizeof server.address) != 0) {
    return network_error("cannot connect");
  }
  if (blocking == Blocking::kNo) ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  return fd;
}

Result<void> send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return network_error("cannot send");
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

Result<AnswerHead> request(const ServerAddress& server, std::string_view method, std::string_view path,
                           std::string_view fields) {
  TRICKLE_TRY_ASSIGN(const UniqueFd fd, connect_to(server, Blocking::kYes));
  TRICKLE_TRY(send_all(fd.get(), fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{}\r\n",
                                             method, path, server.authority, fields)));
  std::string text;
  char buffer[4096];
  while (text.find("\r\n\r\n") == std::string::npos) {
    const ssize_t received = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (received < 0) return network_error("no answer");
    if (received == 0) return unexpected(ErrorKind::kNetwork, "the server closed without an answer");
    text.append(buffer, static_cast<size_t>(received));
  }
  return parse_answer_head(text);
}

size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace trickle::bench
