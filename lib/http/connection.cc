// Connection: life and reading. The writing half is in connection_write.cc.
#include "http/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <cerrno>

#include "http/exchange_impl.h"

namespace trickle::http {
namespace {

// What may wait unparsed while a handler is at work: enough for pipelined requests, and for noticing that the
// client has left. Beyond it the socket is not read, and TCP makes the client wait.
constexpr size_t kPendingLimit = 16 * 1024;
// A connection by itself: its object, its socket's place in the reactor, an exchange with its reader or
// writer.
constexpr size_t kConnectionBytes = 2048;
// OpenSSL's state of one connection, with the buffer for a record that is on its way.
constexpr size_t kTlsBytes = 24 * 1024;
// So many pipelined requests are answered in one go; then others have their turn.
constexpr int kRequestsInOneGo = 32;

}  // namespace

Connection::Connection(Socket socket, std::unique_ptr<TlsStream> tls, std::string peer, ConnectionHost& host)
    : socket_(std::move(socket)), tls_(std::move(tls)), peer_(std::move(peer)), host_(host) {}

Connection::~Connection() = default;

void Connection::start() {
  account();
  set_deadline(host_.options().header_timeout);
  arm_read();
}

void Connection::refuse() {
  account();
  if (tls_) set_deadline(host_.options().header_timeout);  // The answer waits for the handshake.
  reject(503, "Too many connections");
  arm_read();
}

void Connection::close() {
  if (phase_ == Phase::kClosed) return;
  const auto self = shared_from_this();
  phase_ = Phase::kClosed;
  deadline_.reset();
  const auto exchange = std::move(exchange_);
  const auto source = std::move(source_);
  boost::system::error_code ignored;
  socket_.close(ignored);
  host_.held_bytes_changed(std::exchange(held_bytes_, 0), 0);
  host_.closed(*this);
  if (exchange) exchange->retire(true);
}

void Connection::close_if_idle() {
  if (phase_ == Phase::kHead && !parser_) close();
}

void Connection::set_deadline(std::chrono::milliseconds from_now) {
  deadline_ = system_clock().now() + from_now;
}

void Connection::give_up() {
  deadline_.reset();
  if (phase_ == Phase::kHead && parser_) return reject(408, "The request's header took too long");
  close();
}

bool Connection::left_unseen() const {
  if (read_armed_ || phase_ != Phase::kExchange) return false;
  pollfd poll_fd{const_cast<Socket&>(socket_).native_handle(), POLLRDHUP, 0};
  return ::poll(&poll_fd, 1, 0) > 0;
}

// Tells the host what this connection holds, after anything that changed it.
void Connection::account() {
  if (phase_ == Phase::kClosed) return;
  const size_t head = exchange_ ? exchange_->head_bytes() : 0;
  const size_t now = kConnectionBytes + (tls_ ? kTlsBytes : 0) + pending_.capacity() + out_.capacity() + head;
  if (now == held_bytes_) return;
  host_.held_bytes_changed(std::exchange(held_bytes_, now), now);
}

void Connection::arm_read() {
  if (read_armed_ || phase_ == Phase::kClosed || pending_.size() >= kPendingLimit) return;
  read_armed_ = true;
  auto on_ready = [self = shared_from_this()](const boost::system::error_code& error) {
    self->read_armed_ = false;
    if (self->phase_ == Phase::kClosed) return;
    if (error) return self->close();
    self->on_readable();
  };
  if (tls_ && tls_->has_pending()) {
    boost::asio::post(socket_.get_executor(), [on_ready = std::move(on_ready)] { on_ready({}); });
  } else {
    const bool for_write = tls_ && tls_->read_wants_write();
    socket_.async_wait(for_write ? Socket::wait_write : Socket::wait_read, std::move(on_ready));
  }
}

ssize_t Connection::receive(std::span<char> buffer) {
  if (tls_ && phase_ != Phase::kLinger) return tls_->read(buffer);
  return ::recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
}

// What is no body has to wait for its turn, so no more of it is read than may wait.
size_t Connection::readable_bytes() const {
  if (phase_ == Phase::kLinger || (exchange_ && exchange_->wants_body())) return host_.read_buffer().size();
  return std::max<size_t>(std::max(kPendingLimit, host_.options().header_limit_bytes), pending_.size() + 1) -
         pending_.size();
}

void Connection::on_readable() {
  const std::span<char> buffer = host_.read_buffer().first(readable_bytes());
  const ssize_t received = receive(buffer);
  const int cause = errno;
  if (tls_ && tls_->write_wants_read()) flush();
  if (received == 0) return close();
  if (received < 0) {
    if (cause == EAGAIN || cause == EINTR) return arm_read();
    return close();
  }
  if (phase_ != Phase::kLinger) on_input({buffer.data(), static_cast<size_t>(received)});
  arm_read();
}

void Connection::on_input(std::string_view bytes) {
  in_input_ = true;
  if (pending_.empty()) {
    rest_ = bytes;
    consume();
    pending_.assign(rest_);
  } else {
    pending_.append(bytes);
    rest_ = pending_;
    consume();
    pending_.erase(0, pending_.size() - rest_.size());
    if (pending_.empty()) std::string().swap(pending_);
  }
  rest_ = {};
  in_input_ = false;
  if (pending_.size() >= kPendingLimit && exchange_ && exchange_->wants_body())
    fail_body("Malformed request body");
  account();
  if (pending_.empty() || host_.has_room(0)) return;
  phase_ == Phase::kHead ? reject(503, "Too many requests at once") : close();
}

void Connection::resume_input() {
  // Posted, never called: the buffers that all connections share may be in use.
  boost::asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (self->phase_ == Phase::kClosed || self->phase_ == Phase::kLinger) return;
    if (self->exchange_ && self->exchange_->wants_body() && self->body_complete()) {
      return self->exchange_->deliver(std::span<const char>());
    }
    if (!self->pending_.empty()) self->on_input({});
    self->arm_read();
  });
}

void Connection::consume() {
  for (int turns = 0; !rest_.empty();) {
    const size_t before = rest_.size();
    if (phase_ == Phase::kHead) {
      if (++turns > kRequestsInOneGo) return resume_input();
      consume_head();
    } else if (phase_ == Phase::kExchange && parser_ && exchange_ && exchange_->wants_body()) {
      consume_body();
    } else if (phase_ == Phase::kClosed || phase_ == Phase::kLinger) {
      rest_ = {};
    }
    if (rest_.size() == before) return;
  }
}

void Connection::consume_head() {
  if (!parser_) {
    while (rest_.starts_with("\r\n")) rest_.remove_prefix(2);  // RFC 9112, section 2.2.
    if (rest_.empty()) return;
    parser_ = std::make_unique<RequestParser>(host_.options().header_limit_bytes, host_.options().max_fields);
    set_deadline(host_.options().header_timeout);
  }
  const auto fed = parser_->feed_head(rest_.data(), rest_.size());
  rest_.remove_prefix(fed.consumed_bytes);
  if (fed.error_status != 0) {
    reject(fed.error_status, fed.error_message);
  } else if (parser_->head_done()) {
    begin_exchange();
  }
}

void Connection::begin_exchange() {
  deadline_.reset();
  phase_ = Phase::kExchange;
  keep_alive_ = parser_->keep_alive();
  RequestHead head = parser_->take_head();
  head.peer = peer_;
  if (parser_->is_done()) parser_.reset();
  head_only_ = head.method == "HEAD";
  chunked_ = head.version == 11;
  expects_continue_ = chunked_ && iequals(head.header("Expect"), "100-continue");
  exchange_ = std::make_shared<ExchangeImpl>(shared_from_this(), std::move(head));
  const auto current = exchange_;
  host_.handler()(current);
}

void Connection::consume_body() {
  const auto current = exchange_;
  std::string& body = host_.body_buffer();
  body.clear();
  const auto fed = parser_->feed_body(rest_.data(), rest_.size(), body);
  rest_.remove_prefix(fed.consumed_bytes);
  const bool done = fed.error_status == 0 && parser_->is_done();
  if (done) parser_.reset();
  if (!body.empty()) current->deliver(std::span<const char>(body));
  if (exchange_ != current) return;
  if (fed.error_status != 0) return fail_body(fed.error_message);
  if (done) current->deliver(std::span<const char>());
}

void Connection::skip_body() {
  if (!parser_) return;
  if (!in_input_) rest_ = pending_;
  std::string discarded;
  const auto fed = parser_->feed_body(rest_.data(), rest_.size(), discarded);
  rest_.remove_prefix(fed.consumed_bytes);
  if (fed.error_status == 0 && parser_->is_done()) parser_.reset();
  if (in_input_) return;
  pending_.erase(0, fed.consumed_bytes);
  rest_ = {};
}

void Connection::fail_body(const char* message) {
  const auto current = exchange_;
  current->deliver(unexpected(ErrorKind::kBadData, message));
  if (exchange_ != current || answer_begun_) return;
  respond({.status = 400,
           .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
           .body = std::string(message) + "\n"});
}

void Connection::want_body() {
  if (body_complete() || (!in_input_ && !pending_.empty())) return resume_input();
  if (expects_continue_) send_continue();
  arm_read();
}

}  // namespace trickle::http
