// An HTTP/1.1 server on Asio: parsing, limits, keep-alive and early answers. The public header of the server
// target; Beast stays inside it.
//
// A handler is called once for each request, when its head is complete. It may answer at once or later, read
// the body whole or piece by piece, and stream its answer.
//
// Threads: the io_context of a server is run by exactly one thread, and everything about its exchanges
// happens on that thread: no lock is taken per request or per piece. Only Exchange::post(), Server::post()
// and Server::numbers() may be called from others; the first two get you onto it. Work that blocks belongs
// elsewhere. Who wants more threads makes a server for each of them, and lets the others join the first.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "http/chunk.h"
#include "http/request_head.h"
#include "io/endpoint.h"
#include "trickle/result.h"

namespace trickle::http {

struct Response {
  int status = 200;
  Fields headers{};    ///< Content-Length, Connection, Date and Server are added.
  std::string body{};  ///< Not sent for HEAD (its length is).
  /// Close the connection after it, although the request was read to its end.
  bool close = false;
};

/// A piece of an answer that many readers may share; must stay unchanged once handed over.
using SharedBytes = std::shared_ptr<const std::string>;

/// One request and its answer. Once the answer is complete, or the client has left, every function does
/// nothing, and the callbacks that were given are destroyed (so they may hold the Exchange itself).
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  virtual ~Exchange() = default;
  [[nodiscard]] virtual const RequestHead& head() const = 0;

  /// Reads the whole body. `done` gets it, or kUsage when it is larger than `limit_bytes`, kClosed when the
  /// client left in the middle, kBadData when its chunks are malformed.
  virtual void read_body(size_t limit_bytes, std::function<void(Result<std::string>)> done) = 0;

  /// Reads the body piece by piece as it arrives; the next piece is read when `on_piece` has returned, and
  /// none once an answer was begun by respond(). An empty piece is the end; an error (kClosed: the client
  /// left in the middle, kBadData: malformed) is the last call. A client that sent "Expect: 100-continue" is
  /// told to go on.
  virtual void read_pieces(std::function<void(Result<std::span<const char>>)> on_piece) = 0;

  /// Adds a field to the head of whatever the answer will be.
  virtual void add_header(std::string_view name, std::string_view value) = 0;

  /// Sends a complete answer. Where the request's body was not read to its end the connection closes after
  /// it, in such a way that the answer survives (send side shut down, drained for at most 1 s).
  virtual void respond(Response response) = 0;

  /// Sends an interim "100 Continue", as often as it is called; nothing to an HTTP/1.0 client.
  virtual void send_continue() = 0;

  /// Streams an answer that `source` gives (chunked, or to the end of the connection for HTTP/1.0). Call
  /// wake() when it has more, after it had told to wait.
  virtual void stream_from(int status, Fields headers, std::shared_ptr<BodySource> source) = 0;
  virtual void wake() = 0;

  /// Starts an answer without a known length, for those who would rather push than be asked.
  virtual void start_stream(int status, Fields headers) = 0;
  /// Queues a piece of a started stream. `written`, if any, is called when the socket took it. What is queued
  /// is held in memory: whoever streams without end waits for `written` or watches queued_bytes().
  virtual void write(SharedBytes piece, std::function<void()> written) = 0;
  /// Ends a started stream with the final chunk.
  virtual void finish_stream() = 0;
  /// Bytes given to write() that the socket has not taken yet.
  [[nodiscard]] virtual size_t queued_bytes() const = 0;

  /// Closes the connection without the final chunk: the reader knows that something is missing.
  virtual void abort() = 0;

  /// Called once if the client leaves before the answer is complete, also while the request is idle. A body
  /// that is being read is told first.
  virtual void on_disconnect(std::function<void()> left) = 0;

  /// Forgets the request's headers and query: for requests that wait for long, and no longer look at them.
  virtual void release_headers() {}

  /// Runs `task` on the server's thread. May be called from any thread.
  virtual void post(std::function<void()> task) = 0;
};

using Handler = std::function<void(std::shared_ptr<Exchange>)>;

struct ServerOptions {
  size_t header_limit_bytes = 16 * 1024;         ///< More: 431.
  size_t max_fields = 128;                       ///< Headers of one request. More: 431.
  std::chrono::seconds header_timeout{10};       ///< Later: 408.
  std::chrono::seconds keep_alive_timeout{120};  ///< A connection without a request is closed after it.
  size_t max_connections = 0;                    ///< 0: no limit. One more is answered 503 and closed.
  /// What all connections together may hold: themselves, requests that have not been read to their end, and
  /// answers that have not been taken. Beyond it new connections and large answers are answered 503, and who
  /// sends more than can be handled now is closed. 0: no limit.
  size_t max_buffered_bytes = 0;
  std::string server_name = "trickle";  ///< The Server header.
};

/// What a server has counted since its start.
struct ServerNumbers {
  size_t open = 0;        ///< Connections, now.
  uint64_t accepted = 0;  ///< Connections, those refused for their number included.
  std::array<uint64_t, 600>
      answers{};  ///< By status; those that it gave itself (400, 408, 431, 503) included.
};

class TlsIdentity;

class Server {
 public:
  /// The io_context must outlive the server and is run by one thread. Nothing is called from the constructor.
  Server(boost::asio::io_context& io, ServerOptions options, Handler handler);
  /// Closes what is still open. Call on the server's thread, or when it no longer runs.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Speaks TLS on the connections that are accepted from now on (null: plain TCP). See http/tls.h.
  void use_tls(std::shared_ptr<const TlsIdentity> identity);

  /// Takes its share of the connections that `first` accepts, on its own thread: each goes to where the
  /// fewest are. From then on the limits hold for both together, and connections(), buffered_bytes() and
  /// numbers() tell of both. Call before `first` listens; both must have the same options, and stop accepting
  /// before either is destroyed.
  void join(Server& first);

  /// Binds and starts to accept; may be called for several addresses.
  /// \return where it listens (the real port); kIo when the address can't be bound, kUsage for an unknown
  /// name.
  Result<Endpoint> listen(const Endpoint& endpoint);
  /// Stops accepting and closes connections without a request; running exchanges go on, and their connections
  /// close after the answer. `drained`, if any, is called once no connection is left.
  void stop_accepting(std::function<void()> drained = {});
  /// Closes every connection. Call after stop_accepting().
  void close_all();
  [[nodiscard]] size_t connections() const;
  /// What they hold, in the sense of ServerOptions::max_buffered_bytes.
  [[nodiscard]] size_t buffered_bytes() const;
  /// May be called from any thread.
  [[nodiscard]] ServerNumbers numbers() const;
  /// Runs `task` on the server's thread. May be called from any thread.
  void post(std::function<void()> task);

 private:
  struct Totals;
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace trickle::http
