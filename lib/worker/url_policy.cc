#include "worker/url_policy.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/url/parse.hpp>
#include <cstring>
#include <memory>
#include <utility>

#include "io/private_address.h"

namespace trickle::worker {
namespace {

struct Addresses {
  explicit Addresses(const std::string& host, int flags) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) list = nullptr;
  }
  ~Addresses() {
    if (list != nullptr) ::freeaddrinfo(list);
  }
  Addresses(const Addresses&) = delete;
  Addresses& operator=(const Addresses&) = delete;
  [[nodiscard]] bool any_private() const {
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
      if (trickle::is_private_address(*entry->ai_addr)) return true;
    }
    return false;
  }
  addrinfo* list = nullptr;
};

std::string host_of(const std::string& url) {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed) return "";
  std::string host = parsed->host();  // Decoded, as whoever connects to it will do.
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return host;
}

std::string refusal(const std::string& host) {
  return fmt::format("{} is an address of a private network, which this worker does not talk to", host);
}

}  // namespace

bool begins_as_allowed(std::string_view url, const std::vector<std::string>& prefixes) {
  if (url.empty() || prefixes.empty()) return true;
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& prefix) {
    if (!url.starts_with(prefix)) return false;
    const size_t scheme = prefix.find("://");
    const bool whole_host = scheme != std::string::npos && prefix.find('/', scheme + 3) != std::string::npos;
    const std::string_view rest = url.substr(prefix.size());
    return whole_host || rest.empty() || rest.front() == '/' || rest.front() == '?';
  });
}

bool is_private_address(const std::string& host) { return Addresses(host, AI_NUMERICHOST).any_private(); }

bool is_loopback(const std::string& host) {
  const Addresses addresses(host, AI_NUMERICHOST);
  if (addresses.list == nullptr) return host == "localhost";
  sockaddr_in6 v6{};
  sockaddr_in v4{};
  if (addresses.list->ai_family == AF_INET6) {
    std::memcpy(&v6, addresses.list->ai_addr, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
  }
  std::memcpy(&v4, addresses.list->ai_addr, sizeof v4);
  return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
}

UrlPolicy::UrlPolicy(boost::asio::io_context& io, UrlRules rules) : io_(io), rules_(std::move(rules)) {}

UrlPolicy::~UrlPolicy() {
  threads_.stop();
  threads_.join();
}

void UrlPolicy::check(const std::vector<std::string>& urls,
                      std::function<void(std::optional<std::string>)> done) {
  std::vector<std::string> names;
  for (const std::string& url : urls) {
    if (!begins_as_allowed(url, rules_.prefixes)) {
      return done(fmt::format("a URL is not one of those that are allowed: it must begin with {}",
                              fmt::join(rules_.prefixes, " or ")));
    }
    if (rules_.allow_private || url.empty()) continue;
    const std::string host = host_of(url);
    if (is_private_address(host)) return done(refusal(host));
    if (Addresses(host, AI_NUMERICHOST).list == nullptr) names.push_back(host);
  }
  if (names.empty()) return done(std::nullopt);
  auto guard = boost::asio::make_work_guard(io_);
  boost::asio::post(threads_, [&io = io_, guard, names = std::move(names), done = std::move(done)]() mutable {
    std::optional<std::string> found;
    for (const std::string& name : names) {
      if (!found && Addresses(name, 0).any_private()) found = refusal(name);
    }
    boost::asio::post(io, [done = std::move(done), found = std::move(found)] { done(found); });
  });
}

}  // namespace trickle::worker
