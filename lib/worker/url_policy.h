// Which servers a request may make this machine talk to.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trickle::worker {

struct UrlRules {
  /// What every URL must begin with; empty: anything. One that ends within the host's name or port matches
  /// only the whole of it.
  std::vector<std::string> prefixes;
  bool allow_private = true;  ///< Hosts in private, loopback, link-local and other special networks.
};

/// True when `url` begins with one of `prefixes`, or there are none.
[[nodiscard]] bool begins_as_allowed(std::string_view url, const std::vector<std::string>& prefixes);

/// True for an address that is not one of the public internet's, in any spelling that getaddrinfo(3) takes
/// ("10.0.0.1", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"); false for a public one and for a name.
[[nodiscard]] bool is_private_address(const std::string& host);

/// True for 127.0.0.0/8, ::1 and "localhost".
[[nodiscard]] bool is_loopback(const std::string& host);

/// Belongs to the thread of the io_context; names are looked up on threads of its own.
class UrlPolicy {
 public:
  UrlPolicy(boost::asio::io_context& io, UrlRules rules);
  ~UrlPolicy();
  UrlPolicy(const UrlPolicy&) = delete;
  UrlPolicy& operator=(const UrlPolicy&) = delete;

  /// Calls `done` with a sentence about the first URL that is not allowed, or with nothing: at once where no
  /// name has to be looked up, and else later on the io_context. Empty URLs are skipped.
  void check(const std::vector<std::string>& urls, std::function<void(std::optional<std::string>)> done);

 private:
  boost::asio::io_context& io_;
  UrlRules rules_;
  boost::asio::thread_pool threads_{2};
};

}  // namespace trickle::worker
