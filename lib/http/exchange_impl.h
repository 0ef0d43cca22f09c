// The Exchange that a Connection hands to its handler. Private to the server target.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "http/connection.h"

namespace trickle::http {

/// The queue behind start_stream(), write() and finish_stream().
class PushedSource final : public BodySource {
 public:
  View peek(std::span<const Chunk*> pieces) override;
  void advance(size_t count) override;

  struct Piece {
    ChunkPtr chunk;
    std::function<void()> written;
  };
  std::deque<Piece> pieces;
  size_t queued_bytes = 0;
  bool finished = false;
};

class ExchangeImpl final : public Exchange {
 public:
  using PieceFn = std::function<void(Result<std::span<const char>>)>;

  ExchangeImpl(std::shared_ptr<Connection> connection, RequestHead head);

  const RequestHead& head() const override { return head_; }
  void read_body(size_t limit_bytes, std::function<void(Result<std::string>)> done) override;
  void read_pieces(PieceFn on_piece) override;
  void add_header(std::string_view name, std::string_view value) override;
  void respond(Response response) override;
  void send_continue() override;
  void stream_from(int status, Fields headers, std::shared_ptr<BodySource> source) override;
  void wake() override;
  void start_stream(int status, Fields headers) override;
  void write(SharedBytes piece, std::function<void()> written) override;
  void finish_stream() override;
  size_t queued_bytes() const override { return pushed_ ? pushed_->queued_bytes : 0; }
  void abort() override;
  void on_disconnect(std::function<void()> left) override;
  void release_headers() override;
  void post(std::function<void()> task) override;

  /// What the request's head costs in memory.
  [[nodiscard]] size_t head_bytes() const { return head_bytes_; }
  /// For the connection: is a body wanted, here is some of it, it will not come.
  [[nodiscard]] bool wants_body() const { return static_cast<bool>(on_piece_); }
  void deliver(Result<std::span<const char>> piece);
  void stop_reading();
  /// The answer is complete, or (with `left`) never will be. Forgets the connection and every callback.
  void retire(bool left);

 private:
  // Null once retired. An exchange keeps its connection alive, never the other way round for longer than the
  // answer takes.
  std::shared_ptr<Connection> connection_;
  [[nodiscard]] std::shared_ptr<Connection> keep() const { return connection_; }
  boost::asio::io_context::executor_type executor_;
  RequestHead head_;
  size_t head_bytes_;
  PieceFn on_piece_;
  std::function<void()> left_;
  std::shared_ptr<PushedSource> pushed_;
  bool reading_ = false;
  bool body_ended_ = false;
};

}  // namespace trickle::http
