// Server: listening, accepting, and what its connections share.
#include "http/server.h"

#include <fmt/format.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <ctime>
#include <unordered_set>

#include "base/log.h"
#include "http/connection.h"

namespace trickle::http {
namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

using namespace std::chrono_literals;
using Acceptor = asio::basic_socket_acceptor<tcp, asio::io_context::executor_type>;

constexpr size_t kReadBufferBytes = 256 * 1024;
constexpr auto kSweepInterval = 250ms;
// Connections beyond the limit, which are being told so, at once. More are closed without a word.
constexpr size_t kRefusedAtOnce = 256;
constexpr auto kAcceptPause = 100ms;  // When the process has run out of descriptors.

std::string describe(const tcp::endpoint& endpoint) {
  return Endpoint{endpoint.address().to_string(), endpoint.port()}.to_string();
}

}  // namespace

struct Server::State final : ConnectionHost, std::enable_shared_from_this<Server::State> {
  State(asio::io_context& io_context, ServerOptions server_options, Handler request_handler)
      : io(io_context),
        server_options_(std::move(server_options)),
        handler_(std::move(request_handler)),
        read_buffer_(kReadBufferBytes),
        sweep_timer_(io_context) {}

  const ServerOptions& options() const override { return server_options_; }
  const Handler& handler() const override { return handler_; }
  std::span<char> read_buffer() override { return read_buffer_; }
  std::string& body_buffer() override { return body_buffer_; }
  const std::string& date() override;
  bool draining() const override { return draining_; }
  void held_bytes_changed(size_t old_bytes, size_t new_bytes) override {
    held_bytes_ += new_bytes - old_bytes;
  }
  bool has_room(size_t more_bytes) const override {
    return server_options_.max_buffered_bytes == 0 ||
           held_bytes_ + more_bytes <= server_options_.max_buffered_bytes;
  }
  void count_answer(int status) override {
    const auto index = static_cast<size_t>(status);
    if (index < numbers_.answers.size()) ++numbers_.answers[index];
  }
  void closed(Connection& connection) override;

  Result<Endpoint> listen(const Endpoint& endpoint);
  void accept(const std::shared_ptr<Acceptor>& acceptor);
  void accept_later(const std::shared_ptr<Acceptor>& acceptor);
  void admit(Connection::Socket socket);
  void sweep_later();
  void sweep();
  void stop_accepting(std::function<void()> drained);
  void close_all();
  std::vector<std::shared_ptr<Connection>> all() const { return {connections_.begin(), connections_.end()}; }

  asio::io_context& io;
  ServerOptions server_options_;
  Handler handler_;
  std::vector<char> read_buffer_;
  std::string body_buffer_;
  std::string date_;
  std::time_t date_time_ = 0;
  std::vector<std::shared_ptr<Acceptor>> acceptors_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  asio::steady_timer sweep_timer_;
  std::shared_ptr<const TlsIdentity> tls_identity_;
  size_t held_bytes_ = 0;
  ServerNumbers numbers_;
  bool sweeping_ = false;
  bool draining_ = false;
  std::function<void()> drained_;
};

const std::string& Server::State::date() {
  const std::time_t now = std::time(nullptr);
  if (now != date_time_) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    char text[64];
    const size_t length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    date_.assign(text, length);
    date_time_ = now;
  }
  return date_;
}

Result<Endpoint> Server::State::listen(const Endpoint& endpoint) {
  boost::system::error_code error;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(endpoint.host, std::to_string(endpoint.port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("cannot listen on {}: {}", endpoint.to_string(), error.message()));
  }
  const tcp::endpoint wanted = *found.begin();
  auto acceptor = std::make_shared<Acceptor>(io.get_executor());
  acceptor->open(wanted.protocol(), error);
  if (!error) acceptor->set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(wanted, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  const tcp::endpoint bound = error ? tcp::endpoint() : acceptor->local_endpoint(error);
  if (error) {
    return unexpected(ErrorKind::kIo,
                      fmt::format("cannot listen on {}: {}", endpoint.to_string(), error.message()));
  }
  acceptors_.push_back(acceptor);
  accept(acceptor);
  return Endpoint{endpoint.host, bound.port()};
}

void Server::State::accept(const std::shared_ptr<Acceptor>& acceptor) {
  acceptor->async_accept([self = shared_from_this(), acceptor](const boost::system::error_code& error,
                                                               Connection::Socket socket) {
    if (error == asio::error::operation_aborted || self->draining_) return;
    if (error) {
      log::warning("cannot accept a connection: {}", error.message());
      return self->accept_later(acceptor);
    }
    self->admit(std::move(socket));
    self->accept(acceptor);
  });
}

void Server::State::accept_later(const std::shared_ptr<Acceptor>& acceptor) {
  auto timer = std::make_shared<asio::steady_timer>(io, kAcceptPause);
  timer->async_wait([self = shared_from_this(), acceptor, timer](const boost::system::error_code& error) {
    if (!error && !self->draining_) self->accept(acceptor);
  });
}

void Server::State::admit(Connection::Socket socket) {
  boost::system::error_code error;
  socket.set_option(tcp::no_delay(true), error);
  const tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return;  // It left before we looked.
  const size_t limit = server_options_.max_connections;
  if (limit > 0 && connections_.size() >= limit + kRefusedAtOnce) return;
  const bool full = (limit > 0 && connections_.size() >= limit) || !has_room(0);
  ++numbers_.accepted;
  std::unique_ptr<TlsStream> tls;
  if (tls_identity_) {
    socket.native_non_blocking(true, error);
    tls = std::make_unique<TlsStream>(*tls_identity_, socket.native_handle());
  }
  auto connection = std::make_shared<Connection>(std::move(socket), std::move(tls), describe(peer), *this);
  connections_.insert(connection);
  full ? connection->refuse() : connection->start();
  sweep_later();
}

void Server::State::closed(Connection& connection) {
  connections_.erase(connection.shared_from_this());
  if (!connections_.empty()) return;
  sweep_timer_.cancel();
  if (draining_ && drained_) asio::post(io, std::exchange(drained_, nullptr));
}

void Server::State::sweep_later() {
  if (sweeping_ || connections_.empty()) return;
  sweeping_ = true;
  sweep_timer_.expires_after(kSweepInterval);
  sweep_timer_.async_wait([self = shared_from_this()](const boost::system::error_code&) {
    self->sweeping_ = false;
    self->sweep();
    self->sweep_later();
  });
}

void Server::State::sweep() {
  const TimePoint now = system_clock().now();
  std::vector<std::shared_ptr<Connection>> overdue;
  std::vector<std::shared_ptr<Connection>> left;
  for (const auto& connection : connections_) {
    if (connection->overdue(now)) overdue.push_back(connection);
    if (connection->left_unseen()) left.push_back(connection);
  }
  for (const auto& connection : overdue) connection->give_up();
  for (const auto& connection : left) connection->close();
}

void Server::State::stop_accepting(std::function<void()> drained) {
  draining_ = true;
  if (drained) drained_ = std::move(drained);
  boost::system::error_code ignored;
  for (const auto& acceptor : acceptors_) acceptor->close(ignored);
  acceptors_.clear();
  for (const auto& connection : all()) connection->close_if_idle();
  if (connections_.empty() && drained_) asio::post(io, std::exchange(drained_, nullptr));
}

void Server::State::close_all() {
  for (const auto& connection : all()) connection->close();
}

Server::Server(asio::io_context& io, ServerOptions options, Handler handler)
    : state_(std::make_shared<State>(io, std::move(options), std::move(handler))) {}

Server::~Server() {
  state_->drained_ = nullptr;
  state_->stop_accepting({});
  state_->close_all();
}

void Server::use_tls(std::shared_ptr<const TlsIdentity> identity) {
  state_->tls_identity_ = std::move(identity);
}
Result<Endpoint> Server::listen(const Endpoint& endpoint) { return state_->listen(endpoint); }
void Server::stop_accepting(std::function<void()> drained) { state_->stop_accepting(std::move(drained)); }
void Server::close_all() { state_->close_all(); }
size_t Server::connections() const { return state_->connections_.size(); }
size_t Server::buffered_bytes() const { return state_->held_bytes_; }
ServerNumbers Server::numbers() const {
  ServerNumbers numbers = state_->numbers_;
  numbers.open = state_->connections_.size();
  return numbers;
}
void Server::post(std::function<void()> task) { asio::post(state_->io, std::move(task)); }

}  // namespace trickle::http
