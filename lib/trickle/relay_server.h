// A relay with its HTTP server, on as many threads as it is told: each has its share of the connections, and
// all serve the same channels.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/server.h"
#include "trickle/relay.h"

namespace trickle {

/// Belongs to the thread that runs `io`, which is the first one of the server's.
class RelayServer {
 public:
  /// `io` and `counters` (see Relay, may be null) must outlive it. `threads` is at least 1.
  RelayServer(boost::asio::io_context& io, RelayOptions relay, const http::ServerOptions& server,
              size_t threads = 1, Counters* counters = nullptr);
  /// Ends the other threads, every channel and every connection. To be called on its thread, or when `io` no
  /// longer runs.
  ~RelayServer();
  RelayServer(const RelayServer&) = delete;
  RelayServer& operator=(const RelayServer&) = delete;

  /// As http::Server::listen().
  Result<Endpoint> listen(const Endpoint& endpoint);
  /// For connections, and for requests, from now on.
  void use_tls(const std::shared_ptr<const http::TlsIdentity>& identity);
  void set_access(const AccessRules& rules);

  /// Accepts no more, and ends every channel as Relay::shutdown() does. Then readers have `farewell` to take
  /// what they were sent. `done` is called when no connection is left.
  void shutdown(std::chrono::milliseconds drain, std::chrono::milliseconds farewell,
                std::function<void()> done);

  /// "3 segments, 1.2 MiB in, …", for the last line of a log.
  [[nodiscard]] std::string summary() const;

 private:
  class Lane;
  void drained();

  boost::asio::io_context& io_;
  std::vector<std::unique_ptr<Lane>> lanes_;  ///< The first one runs on `io_`.
  boost::asio::steady_timer farewell_;
  size_t undrained_ = 0;
  std::function<void()> done_;
};

}  // namespace trickle
