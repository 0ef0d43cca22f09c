#include "http/exchange_impl.h"

#include <boost/asio/post.hpp>

namespace trickle::http {

BodySource::View PushedSource::peek(std::span<const Chunk*> out) {
  const size_t count = std::min(out.size(), pieces.size());
  for (size_t i = 0; i < count; ++i) out[i] = pieces[i].chunk.get();
  if (count < pieces.size()) return {count, Then::kMore};
  return {count, finished ? Then::kEnd : Then::kWait};
}

void PushedSource::advance(size_t count) {
  for (; count > 0; --count) {
    const Piece piece = std::move(pieces.front());
    pieces.pop_front();
    queued_bytes -= piece.chunk->size_bytes();
    if (piece.written) piece.written();
  }
}

ExchangeImpl::ExchangeImpl(std::shared_ptr<Connection> connection, RequestHead head)
    : connection_(std::move(connection)),
      executor_(connection_->socket_.get_executor()),
      head_(std::move(head)),
      head_bytes_(head_.footprint_bytes()) {}

void ExchangeImpl::read_body(size_t limit_bytes, std::function<void(Result<std::string>)> done) {
  auto body = std::make_shared<std::string>();
  read_pieces([this, body, limit_bytes, done = std::move(done)](Result<std::span<const char>> piece) {
    if (!piece) return done(unexpected(std::move(piece).error()));
    if (piece->empty()) return done(std::move(*body));
    if (body->size() + piece->size() > limit_bytes) {
      stop_reading();
      return done(unexpected(ErrorKind::kUsage, "the body is larger than the limit of " +
                                                    std::to_string(limit_bytes) + " bytes"));
    }
    body->append(piece->data(), piece->size());
  });
}

void ExchangeImpl::read_pieces(PieceFn on_piece) {
  if (!connection_ || body_ended_) return;
  on_piece_ = std::move(on_piece);
  reading_ = true;
  connection_->want_body();
}

void ExchangeImpl::deliver(Result<std::span<const char>> piece) {
  if (!on_piece_) return;
  if (!piece || piece->empty()) {
    body_ended_ = true;
    reading_ = false;
  }
  // The callback may answer, and so end its own life: it is kept here until it returns.
  const auto self = shared_from_this();
  PieceFn current = std::move(on_piece_);
  on_piece_ = nullptr;
  current(std::move(piece));
  if (connection_ && reading_ && !on_piece_) on_piece_ = std::move(current);
}

void ExchangeImpl::stop_reading() {
  reading_ = false;
  on_piece_ = nullptr;
}

void ExchangeImpl::add_header(std::string_view name, std::string_view value) {
  if (connection_) connection_->add_header(name, value);
}

void ExchangeImpl::respond(Response response) {
  if (connection_) keep()->respond(std::move(response));
}

void ExchangeImpl::send_continue() {
  if (connection_) keep()->send_continue();
}

void ExchangeImpl::stream_from(int status, Fields headers, std::shared_ptr<BodySource> source) {
  if (connection_) keep()->stream_from(status, headers, std::move(source));
}

void ExchangeImpl::wake() {
  if (connection_) keep()->wake();
}

void ExchangeImpl::start_stream(int status, Fields headers) {
  if (!connection_ || pushed_) return;
  pushed_ = std::make_shared<PushedSource>();
  stream_from(status, std::move(headers), pushed_);
}

void ExchangeImpl::write(SharedBytes piece, std::function<void()> written) {
  if (!connection_ || !pushed_ || pushed_->finished || piece->empty()) return;
  pushed_->queued_bytes += piece->size();
  pushed_->pieces.push_back(
      {std::make_shared<const Chunk>(std::span<const char>(*piece)), std::move(written)});
  wake();
}

void ExchangeImpl::finish_stream() {
  if (!connection_ || !pushed_) return;
  pushed_->finished = true;
  wake();
}

void ExchangeImpl::abort() {
  if (connection_) keep()->abort();
}

void ExchangeImpl::on_disconnect(std::function<void()> left) {
  if (connection_) left_ = std::move(left);
}

void ExchangeImpl::release_headers() {
  Fields().swap(head_.headers);
  Fields().swap(head_.query);
  head_bytes_ = head_.footprint_bytes();
  if (connection_) connection_->account();
}

void ExchangeImpl::post(std::function<void()> task) { boost::asio::post(executor_, std::move(task)); }

void ExchangeImpl::retire(bool left) {
  const auto self = shared_from_this();
  const auto connection = std::move(connection_);
  const PieceFn on_piece = std::move(on_piece_);
  const std::function<void()> on_left = std::move(left_);
  const auto pushed = std::move(pushed_);
  connection_ = nullptr;
  on_piece_ = nullptr;
  left_ = nullptr;
  reading_ = false;
  if (!left) return;
  if (on_piece && !body_ended_) {
    body_ended_ = true;
    on_piece(unexpected(ErrorKind::kClosed, "the client left in the middle of its request"));
  }
  if (on_left) on_left();
}

}  // namespace trickle::http
