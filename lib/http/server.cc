// Server: listening, accepting, and what its connections share.
#include "http/server.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
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

// What servers that have joined each other count together.
struct Server::Totals {
  std::atomic<size_t> open{0};
  std::atomic<size_t> held_bytes{0};
  std::atomic<uint64_t> accepted{0};
  std::array<std::atomic<uint64_t>, std::tuple_size_v<decltype(ServerNumbers::answers)>> answers{};
};

struct Server::State final : ConnectionHost, std::enable_shared_from_this<Server::State> {
  State(asio::io_context& io_context, ServerOptions server_options, Handler request_handler)
      : io(io_context),
        server_options_(std::move(server_options)),
        handler_(std::move(request_handler)),
        totals_(std::make_shared<Totals>()),
        read_buffer_(kReadBufferBytes),
        sweep_timer_(io_context) {}

  const ServerOptions& options() const override { return server_options_; }
  const Handler& handler() const override { return handler_; }
  std::span<char> read_buffer() override { return read_buffer_; }
  std::string& body_buffer() override { return body_buffer_; }
  const std::string& date() override;
  bool draining() const override { return draining_; }
  void held_bytes_changed(size_t old_bytes, size_t new_bytes) override {
    totals_->held_bytes += new_bytes - old_bytes;
  }
  bool has_room(size_t more_bytes) const override {
    return server_options_.max_buffered_bytes == 0 ||
           totals_->held_bytes + more_bytes <= server_options_.max_buffered_bytes;
  }
  void count_answer(int status) override {
    const auto index = static_cast<size_t>(status);
    if (index < totals_->answers.size()) ++totals_->answers[index];
  }
  void closed(Connection& connection) override;

  Result<Endpoint> listen(const Endpoint& endpoint);
  void accept(const std::shared_ptr<Acceptor>& acceptor);
  void accept_later(const std::shared_ptr<Acceptor>& acceptor);
  State& least_loaded();
  void hand_over(Connection::Socket socket);
  void admit(Connection::Socket socket);
  void sweep_later();
  void sweep();
  void stop_accepting(std::function<void()> drained);
  void close_all();
  std::vector<std::shared_ptr<Connection>> all() const { return {connections_.begin(), connections_.end()}; }

  asio::io_context& io;
  ServerOptions server_options_;
  Handler handler_;
  std::shared_ptr<Totals> totals_;
  std::vector<std::shared_ptr<State>> joined_;  ///< By which others this one's connections are served, too.
  std::atomic<size_t> load_{0};                 ///< Connections, those on their way to its thread included.
  std::vector<char> read_buffer_;
  std::string body_buffer_;
  std::string date_;
  std::time_t date_time_ = 0;
  std::vector<std::shared_ptr<Acceptor>> acceptors_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  asio::steady_timer sweep_timer_;
  std::shared_ptr<const TlsIdentity> tls_identity_;
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
  State& server = least_loaded();
  acceptor->async_accept(server.io, [self = shared_from_this(), to = server.shared_from_this(), acceptor](
                                        const boost::system::error_code& error, Connection::Socket socket) {
    if (error == asio::error::operation_aborted || self->draining_) return;
    if (error) {
      log::warning("cannot accept a connection: {}", error.message());
      return self->accept_later(acceptor);
    }
    ++to->load_;
    to == self ? self->admit(std::move(socket)) : to->hand_over(std::move(socket));
    self->accept(acceptor);
  });
}

Server::State& Server::State::least_loaded() {
  State* least = this;
  for (const auto& other : joined_) {
    if (other->load_ < least->load_) least = other.get();
  }
  return *least;
}

// Called on the thread that accepted it.
void Server::State::hand_over(Connection::Socket socket) {
  asio::post(io, [self = shared_from_this(), socket = std::move(socket)]() mutable {
    self->admit(std::move(socket));
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
  const size_t limit = server_options_.max_connections;
  const bool too_many = limit > 0 && totals_->open >= limit + kRefusedAtOnce;
  if (error || too_many || draining_) {  // An error: it left before we looked.
    --load_;
    return;
  }
  const bool full = (limit > 0 && totals_->open >= limit) || !has_room(0);
  ++totals_->open;
  ++totals_->accepted;
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
  if (connections_.erase(connection.shared_from_this()) > 0) {
    --load_;
    --totals_->open;
  }
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
  joined_.clear();
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

void Server::join(Server& first) {
  state_->totals_ = first.state_->totals_;
  first.state_->joined_.push_back(state_);
}

Result<Endpoint> Server::listen(const Endpoint& endpoint) { return state_->listen(endpoint); }
void Server::stop_accepting(std::function<void()> drained) { state_->stop_accepting(std::move(drained)); }
void Server::close_all() { state_->close_all(); }
size_t Server::connections() const { return state_->totals_->open; }
size_t Server::buffered_bytes() const { return state_->totals_->held_bytes; }
ServerNumbers Server::numbers() const {
  const Totals& totals = *state_->totals_;
  ServerNumbers numbers{.open = totals.open, .accepted = totals.accepted};
  for (size_t status = 0; status < numbers.answers.size(); ++status)
    numbers.answers[status] = totals.answers[status];
  return numbers;
}
void Server::post(std::function<void()> task) { asio::post(state_->io, std::move(task)); }

}  // namespace trickle::http
