// Connection: the writing half.
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <boost/beast/http/status.hpp>
#include <cerrno>

#include "http/connection.h"
#include "http/exchange_impl.h"

namespace trickle::http {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kEndMark = "0\r\n\r\n";
constexpr size_t kSmallAnswerBytes = 16 * 1024;  // Larger ones need room.
constexpr size_t kPiecesAtOnce = 64;  // More gathers nothing: a send of 64 pieces costs what its bytes cost.
// With the sweep four times a second an early answer is drained for at most 1 s.
constexpr auto kLingerTime = 750ms;
// For an answer that is complete on our side and that its client doesn't read.
constexpr auto kStalledAnswerTime = 60s;

std::string_view reason(int status) {
  if (status == 470) return "Entry Not Found";
  const auto text =
      boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(static_cast<unsigned>(status)));
  return {text.data(), text.size()};
}

void add_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

iovec as_iovec(std::string_view bytes) { return {const_cast<char*>(bytes.data()), bytes.size()}; }

}  // namespace

bool Connection::closes_after(bool wanted) const {
  return wanted || !keep_alive_ || !body_complete() || host_.draining();
}

void Connection::queue_head(int status, const Fields& headers, std::optional<size_t> content_length,
                            bool streams) {
  answer_begun_ = true;
  host_.count_answer(status);
  out_.append("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(reason(status)).append("\r\n");
  add_field(out_, "Date", host_.date());
  add_field(out_, "Server", host_.options().server_name);
  for (const auto& [name, value] : headers) add_field(out_, name, value);
  out_.append(std::exchange(more_head_, {}));
  if (content_length) add_field(out_, "Content-Length", std::to_string(*content_length));
  if (streams && chunked_) add_field(out_, "Transfer-Encoding", "chunked");
  if (close_after_) {
    add_field(out_, "Connection", "close");
  } else if (!chunked_) {
    add_field(out_, "Connection", "keep-alive");
  }
  out_.append("\r\n");
}

void Connection::add_header(std::string_view name, std::string_view value) {
  if (!answer_begun_) add_field(more_head_, name, value);
}

void Connection::respond(Response response) {
  if (answer_begun_) return;
  exchange_->stop_reading();
  skip_body();
  if (response.body.size() > kSmallAnswerBytes && !host_.has_room(response.body.size())) {
    response = {.status = 503, .body = "Too many answers at once\n", .close = true};
  }
  close_after_ = closes_after(response.close);
  const bool without_body = response.status == 204 || response.status == 304;
  queue_head(response.status, response.headers,
             without_body ? std::nullopt : std::optional<size_t>(response.body.size()), false);
  if (!head_only_ && !without_body) out_.append(response.body);
  answer_whole_ = true;
  flush();
}

void Connection::reject(int status, const char* message) {
  const std::string body = std::string(message) + "\n";
  phase_ = Phase::kExchange;
  close_after_ = true;
  chunked_ = true;
  queue_head(status, {{"Content-Type", "text/plain; charset=utf-8"}}, body.size(), false);
  out_.append(body);
  answer_whole_ = true;
  flush();
}

void Connection::send_continue() {
  expects_continue_ = false;
  if (answer_begun_ || exchange_->head().version != 11) return;
  out_.append("HTTP/1.1 100 Continue\r\n\r\n");
  flush();
}

void Connection::stream_from(int status, const Fields& headers, std::shared_ptr<BodySource> source) {
  if (answer_begun_) return;
  if (!exchange_->wants_body()) skip_body();
  close_after_ = closes_after(!chunked_ && !head_only_);
  queue_head(status, headers, std::nullopt, true);
  if (head_only_) {
    answer_whole_ = true;
  } else {
    source_ = std::move(source);
  }
  flush();
}

void Connection::flush() {
  if (in_flush_ || write_armed_ || phase_ != Phase::kExchange) return;
  const auto self = shared_from_this();
  in_flush_ = true;
  while (flush_once() == Flushed::kAgain) {
  }
  in_flush_ = false;
  account();
}

// A reader that takes nothing hears nothing either, so one that is to be cut off is not waited for.
void Connection::wake() {
  if (!write_armed_ || !source_) return flush();
  std::array<const Chunk*, 1> piece;
  const auto source = source_;
  if (source->peek(piece).then == BodySource::Then::kCut) abort();
}

std::string_view Connection::wire_form(const Chunk& piece) const {
  return chunked_ ? piece.framed() : piece.data();
}

ssize_t Connection::send(std::span<const iovec> buffers) {
  if (tls_) return tls_->write(buffers);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(buffers.data());
  message.msg_iovlen = buffers.size();
  return ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

Connection::Flushed Connection::flush_once() {
  std::array<const Chunk*, kPiecesAtOnce> pieces;
  BodySource::View view{0, BodySource::Then::kWait};
  const auto source = source_;  // Kept while its pieces are on their way.
  if (source) view = source->peek(pieces);

  std::array<iovec, kPiecesAtOnce + 2> buffers;
  size_t count = 0;
  size_t total = 0;
  const auto add = [&](std::string_view bytes) {
    if (bytes.empty()) return;
    buffers[count++] = as_iovec(bytes);
    total += bytes.size();
  };
  add(std::string_view(out_).substr(out_sent_));
  for (size_t i = 0; i < view.count; ++i) add(wire_form(*pieces[i]).substr(i == 0 ? piece_sent_ : 0));
  const bool with_end_mark = source && chunked_ && view.then == BodySource::Then::kEnd;
  if (with_end_mark) add(kEndMark.substr(end_mark_sent_));

  if (total > 0) {
    const ssize_t written = send(std::span(buffers.data(), count));
    if (written < 0) {
      if (errno == EINTR) return Flushed::kAgain;
      errno == EAGAIN ? arm_write(source ? view.then == BodySource::Then::kEnd : answer_whole_) : close();
      return Flushed::kDone;
    }
    account_for(static_cast<size_t>(written), std::span(pieces.data(), view.count), with_end_mark);
    if (phase_ != Phase::kExchange) return Flushed::kDone;
    // A socket that took only a part is full: the next attempt tells so, and arms.
    if (static_cast<size_t>(written) < total) return Flushed::kAgain;
  }
  if (source ? view.then == BodySource::Then::kEnd : answer_whole_) {
    complete_answer();
  } else if (source && view.then == BodySource::Then::kCut) {
    abort();
  } else if (source && view.then == BodySource::Then::kMore) {
    return Flushed::kAgain;
  }
  return Flushed::kDone;
}

void Connection::account_for(size_t written_bytes, std::span<const Chunk* const> pieces, bool with_end_mark) {
  const size_t from_out = std::min(written_bytes, out_.size() - out_sent_);
  out_sent_ += from_out;
  written_bytes -= from_out;
  if (out_sent_ == out_.size() && out_sent_ > 0) {
    std::string().swap(out_);
    out_sent_ = 0;
  }
  size_t whole = 0;
  for (; whole < pieces.size(); ++whole) {
    const size_t left = wire_form(*pieces[whole]).size() - piece_sent_;
    if (written_bytes < left) {
      piece_sent_ += written_bytes;
      written_bytes = 0;
      break;
    }
    written_bytes -= left;
    piece_sent_ = 0;
  }
  if (with_end_mark) end_mark_sent_ += written_bytes;
  if (whole > 0) source_->advance(whole);
}

void Connection::arm_write(bool answer_complete) {
  if (answer_complete) set_deadline(kStalledAnswerTime);
  if (tls_ && tls_->write_wants_read()) return;  // Reading goes on with it.
  write_armed_ = true;
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const boost::system::error_code& error) {
    self->write_armed_ = false;
    if (self->phase_ == Phase::kClosed) return;
    if (error) return self->close();
    if (self->phase_ != Phase::kExchange) return;
    self->deadline_.reset();
    self->flush();
  });
}

void Connection::complete_answer() {
  const auto exchange = std::move(exchange_);
  const auto source = std::move(source_);
  answer_begun_ = answer_whole_ = false;
  piece_sent_ = end_mark_sent_ = 0;
  if (close_after_ || host_.draining()) {
    if (tls_) tls_->end();
    start_linger();
  } else {
    phase_ = Phase::kHead;
    set_deadline(host_.options().keep_alive_timeout);
    if (!in_input_ && !pending_.empty()) resume_input();
    arm_read();
  }
  if (exchange) exchange->retire(false);
}

void Connection::start_linger() {
  phase_ = Phase::kLinger;
  parser_.reset();
  rest_ = {};
  if (!in_input_) pending_.clear();
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  set_deadline(kLingerTime);
  arm_read();
}

void Connection::abort() {
  if (phase_ != Phase::kExchange) return;
  const auto exchange = std::move(exchange_);
  const auto source = std::move(source_);
  start_linger();
  if (exchange) exchange->retire(false);
}

}  // namespace trickle::http
