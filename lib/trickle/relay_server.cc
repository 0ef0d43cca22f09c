#include "trickle/relay_server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <thread>

namespace trickle {

/// What one thread has.
class RelayServer::Lane {
 public:
  /// On the caller's thread.
  Lane(boost::asio::io_context& io, RelayOptions options, const http::ServerOptions& server_options,
       Counters* counters)
      : io_(io), relay_(std::make_unique<Relay>(io, std::move(options), counters)) {
    make_server(server_options);
    relay_->set_server_numbers([this] { return server_->numbers(); });
  }
  /// On a thread of its own.
  Lane(Lane& first, const http::ServerOptions& server_options)
      : own_io_(std::make_unique<boost::asio::io_context>(1)),
        io_(*own_io_),
        relay_(std::make_unique<Relay>(io_, *first.relay_)) {
    make_server(server_options);
    relay_->set_server_numbers([this] { return server_->numbers(); });
    server_->join(*first.server_);
  }

  void run() {
    if (own_io_) thread_ = std::thread([this, work = boost::asio::make_work_guard(io_)] { io_.run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    io_.stop();
    thread_.join();
  }
  void close() { server_.reset(); }

  [[nodiscard]] Relay& relay() { return *relay_; }
  [[nodiscard]] http::Server& server() { return *server_; }
  /// At once on the caller's thread, later on others.
  void on_its_thread(std::function<void()> task) { own_io_ ? server_->post(std::move(task)) : task(); }

 private:
  void make_server(const http::ServerOptions& options) {
    server_ = std::make_unique<http::Server>(io_, options,
                                             [this](const auto& exchange) { relay_->handle(exchange); });
  }

  std::unique_ptr<boost::asio::io_context> own_io_;
  boost::asio::io_context& io_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

RelayServer::RelayServer(boost::asio::io_context& io, RelayOptions relay, const http::ServerOptions& server,
                         size_t threads, Counters* counters)
    : io_(io), farewell_(io) {
  relay.threads = threads;
  lanes_.push_back(std::make_unique<Lane>(io, std::move(relay), server, counters));
  while (lanes_.size() < threads) lanes_.push_back(std::make_unique<Lane>(*lanes_.front(), server));
  for (const auto& lane : lanes_) lane->run();
}

// No thread may use the channels' views while one of them is destroyed, and the first relay goes last.
RelayServer::~RelayServer() {
  for (const auto& lane : lanes_) lane->stop();
  for (const auto& lane : lanes_) lane->close();
  while (!lanes_.empty()) lanes_.pop_back();
}

Result<Endpoint> RelayServer::listen(const Endpoint& endpoint) {
  return lanes_.front()->server().listen(endpoint);
}

void RelayServer::use_tls(const std::shared_ptr<const http::TlsIdentity>& identity) {
  for (const auto& lane : lanes_)
    lane->on_its_thread([&server = lane->server(), identity] { server.use_tls(identity); });
}

void RelayServer::set_access(const AccessRules& rules) {
  for (const auto& lane : lanes_)
    lane->on_its_thread([&relay = lane->relay(), rules] { relay.set_access(rules); });
}

void RelayServer::shutdown(std::chrono::milliseconds drain, std::chrono::milliseconds farewell,
                           std::function<void()> done) {
  done_ = std::move(done);
  undrained_ = lanes_.size();
  for (const auto& lane : lanes_) {
    lane->on_its_thread([this, &server = lane->server()] {
      server.stop_accepting([this] { boost::asio::post(io_, [this] { drained(); }); });
    });
  }
  lanes_.front()->relay().shutdown(drain, [this, farewell] {
    farewell_.expires_after(farewell);
    farewell_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      for (const auto& lane : lanes_) lane->on_its_thread([&server = lane->server()] { server.close_all(); });
    });
  });
}

void RelayServer::drained() {
  if (--undrained_ > 0) return;
  farewell_.cancel();
  if (done_) std::exchange(done_, nullptr)();
}

std::string RelayServer::summary() const { return lanes_.front()->relay().summary(); }

}  // namespace trickle
