// One accepted connection: reads requests, hands them to the handler one after another, writes the answers.
// Private to the server target.
//
// A connection holds no buffer of its own while it waits: it waits for readability and then reads into a
// buffer that all connections of the server share. It writes with gathered, non-blocking sendmsg(2) straight
// from the pieces of a BodySource and waits for writability only after the socket has refused some.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "http/request_parser.h"
#include "http/server.h"
#include "http/tls.h"
#include "io/clock.h"

namespace trickle::http {

class ExchangeImpl;
class Connection;

/// What the connections of one server have in common.
class ConnectionHost {
 public:
  virtual ~ConnectionHost() = default;
  [[nodiscard]] virtual const ServerOptions& options() const = 0;
  [[nodiscard]] virtual const Handler& handler() const = 0;
  /// Scratch for one read, valid until the next.
  [[nodiscard]] virtual std::span<char> read_buffer() = 0;
  /// Scratch for one piece of a body, valid until the next.
  [[nodiscard]] virtual std::string& body_buffer() = 0;
  /// "Sun, 06 Nov 1994 08:49:37 GMT", renewed each second.
  [[nodiscard]] virtual const std::string& date() = 0;
  [[nodiscard]] virtual bool draining() const = 0;
  /// A connection holds `new_bytes` now, where it held `old_bytes`.
  virtual void held_bytes_changed(size_t old_bytes, size_t new_bytes) = 0;
  /// Whether so many bytes may be held beside what is.
  [[nodiscard]] virtual bool has_room(size_t more_bytes) const = 0;
  virtual void count_answer(int status) = 0;
  virtual void closed(Connection& connection) = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket =
      boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

  /// \param tls  null for plain TCP; on the descriptor of `socket`.
  Connection(Socket socket, std::unique_ptr<TlsStream> tls, std::string peer, ConnectionHost& host);
  ~Connection();
  void start();
  /// Answers 503 and closes, without reading a request.
  void refuse();
  /// Closes at once. An exchange in progress is told that its client left.
  void close();
  /// Closes if no request is in progress.
  void close_if_idle();
  /// Whether it has waited too long for something; asked a few times each second.
  [[nodiscard]] bool overdue(TimePoint now) const { return deadline_ && now >= *deadline_; }
  /// Then: answers 408, or closes.
  void give_up();
  /// Whether the client has left while nothing was read from it; asked as often.
  [[nodiscard]] bool left_unseen() const;

 private:
  friend class ExchangeImpl;
  enum class Phase {
    kHead,      ///< Waiting for a request, or in the middle of its head.
    kExchange,  ///< A handler has it.
    kLinger,    ///< Answered, send side shut down; what still comes is thrown away.
    kClosed,
  };

  // Reading.
  void arm_read();
  [[nodiscard]] ssize_t receive(std::span<char> buffer);
  void on_readable();
  void on_input(std::string_view bytes);
  [[nodiscard]] size_t readable_bytes() const;
  void consume();
  void consume_head();
  void consume_body();
  void skip_body();
  void fail_body(const char* message);
  void resume_input();
  void begin_exchange();
  void reject(int status, const char* message);

  // Writing.
  void queue_head(int status, const Fields& headers, std::optional<size_t> content_length, bool streams);
  void flush();
  void wake();
  enum class Flushed { kAgain, kDone };
  [[nodiscard]] ssize_t send(std::span<const iovec> buffers);
  Flushed flush_once();
  void account_for(size_t written_bytes, std::span<const Chunk* const> pieces, bool with_end_mark);
  [[nodiscard]] std::string_view wire_form(const Chunk& piece) const;
  void arm_write(bool answer_complete);
  void complete_answer();
  void start_linger();

  // The Exchange's functions, called by ExchangeImpl while it is the current one.
  void want_body();
  void add_header(std::string_view name, std::string_view value);
  void respond(Response response);
  void send_continue();
  void stream_from(int status, const Fields& headers, std::shared_ptr<BodySource> source);

  void abort();

  [[nodiscard]] bool body_complete() const { return !parser_; }
  [[nodiscard]] bool closes_after(bool wanted) const;
  void set_deadline(std::chrono::milliseconds from_now);
  void account();

  Socket socket_;
  std::unique_ptr<TlsStream> tls_;  ///< Null without TLS. Uses the socket's descriptor.
  std::string peer_;
  ConnectionHost& host_;
  Phase phase_ = Phase::kHead;
  std::optional<TimePoint> deadline_;

  std::unique_ptr<RequestParser> parser_;   ///< Of the request being read; null when its body has ended.
  std::string pending_;                     ///< Received and not yet parsed.
  std::string_view rest_;                   ///< What consume() still has before it, while it runs.
  size_t held_bytes_ = 0;                   ///< As the host knows it.
  std::shared_ptr<ExchangeImpl> exchange_;  ///< The current one.
  std::shared_ptr<BodySource> source_;
  std::string out_;        ///< Heads, interim answers and whole bodies, to go out before source_.
  std::string more_head_;  ///< Fields to go into the head of the answer.
  size_t out_sent_ = 0;
  size_t piece_sent_ = 0;  ///< Bytes of the source's first piece that are out already.
  size_t end_mark_sent_ = 0;
  bool keep_alive_ = false;  ///< The client allows it.
  bool chunked_ = false;     ///< The streamed answer is chunked.
  bool head_only_ = false;   ///< HEAD.
  bool expects_continue_ = false;
  bool answer_begun_ = false;
  bool answer_whole_ = false;  ///< All of it is in out_.
  bool close_after_ = false;
  bool read_armed_ = false;
  bool write_armed_ = false;
  bool in_input_ = false;
  bool in_flush_ = false;
};

}  // namespace trickle::http
