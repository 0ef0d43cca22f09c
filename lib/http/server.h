// An HTTP/1.1 server on Asio: parsing, limits, keep-alive and early answers. The only header of the server
// target; Beast stays inside it.
//
// A handler is called once for each request, when its head is complete. It may answer at once or later, read
// the body whole or chunk by chunk, and stream its answer. Everything about one Exchange happens on its
// connection's strand; the functions of Exchange may be called only there (post() gets you there from any
// thread).
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/endpoint.h"
#include "trickle/result.h"

namespace trickle::http {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct RequestHead {
  std::string method;
  std::string target;  ///< As sent.
  std::string path;    ///< Without the query, percent-decoded, beginning with "/".
  Fields query;        ///< Percent-decoded.
  Fields headers;
  int version = 11;  ///< 10 or 11.
  std::string peer;  ///< "ADDRESS:PORT".

  /// The first value of a header (case-insensitive), or of a query parameter; empty when it isn't there.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] std::string_view query_value(std::string_view name) const;
};

struct Response {
  int status = 200;
  Fields headers;    ///< Content-Length, Connection and Date are added.
  std::string body;  ///< Not sent for HEAD.
};

/// A piece of an answer that many readers may share; must stay unchanged once handed over.
using SharedBytes = std::shared_ptr<const std::string>;

/// One request and its answer.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  virtual ~Exchange() = default;
  [[nodiscard]] virtual const RequestHead& head() const = 0;

  /// Reads the whole body. `done` gets it, or kUsage when it is larger than `limit_bytes`, or kClosed when
  /// the client left in the middle.
  virtual void read_body(size_t limit_bytes, std::function<void(Result<std::string>)> done) = 0;

  /// Reads the body piece by piece as it arrives; the next piece is read when `on_piece` has returned. An
  /// empty piece is its end; an error is kClosed: the client left in the middle.
  virtual void read_pieces(std::function<void(Result<std::span<const char>>)> on_piece) = 0;

  /// Sends a complete answer. Where the body was not read to its end the connection closes after it, in such
  /// a way that the answer survives (send side shut down, drained for at most 1 s).
  virtual void respond(Response response) = 0;

  /// Sends an interim "100 Continue".
  virtual void send_continue() = 0;

  /// Starts an answer without a known length (chunked, or to the end of the connection for HTTP/1.0).
  virtual void start_stream(int status, Fields headers) = 0;
  /// Queues a piece of a started stream. `written` is called when the socket took it.
  virtual void write(SharedBytes piece, std::function<void()> written) = 0;
  /// Ends a started stream with the final chunk.
  virtual void finish_stream() = 0;
  /// Closes the connection without the final chunk: the reader knows that something is missing.
  virtual void abort() = 0;

  /// Called once if the client leaves before the answer is complete, also while the request is idle.
  virtual void on_disconnect(std::function<void()> left) = 0;

  /// Runs `task` on this connection's strand. May be called from any thread.
  virtual void post(std::function<void()> task) = 0;
};

using Handler = std::function<void(std::shared_ptr<Exchange>)>;

struct ServerOptions {
  size_t header_limit_bytes = 16 * 1024;    ///< More: 431.
  std::chrono::seconds header_timeout{10};  ///< Later: 408.
  size_t max_connections = 0;               ///< 0: no limit.
  std::string server_name = "trickle";      ///< The Server header.
};

class Server {
 public:
  /// The io_context must outlive the server and is run by the caller, on as many threads as it likes.
  Server(boost::asio::io_context& io, ServerOptions options, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Binds and starts to accept. \return where it listens (the real port); kIo when the address can't be
  /// bound.
  Result<Endpoint> listen(const Endpoint& endpoint);
  /// Stops accepting; running exchanges go on.
  void stop_accepting();
  /// Closes every connection. Call after stop_accepting().
  void close_all();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace trickle::http
