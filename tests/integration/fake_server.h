// A scripted HTTP server for tests of clients: each request is answered by a function of the test, which can
// answer early, late, wrongly or not at all. Every connection has a thread; the port is whatever is free.
#pragma once

#include <poll.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "io/unique_fd.h"

namespace trickle::testing {

struct FakeRequest {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  ///< Names in lower case.
  int connection = 0;                          ///< Counts connections from 1.
};

/// The server's side of one connection, for the duration of one request.
class FakeExchange {
 public:
  FakeExchange(int fd, FakeRequest request, std::string& pending, const std::atomic<bool>& stopping)
      : fd_(fd), request_(std::move(request)), pending_(pending), stopping_(stopping) {}

  [[nodiscard]] const FakeRequest& request() const { return request_; }

  /// Reads the next chunk of the body. \return nothing at its end, or when the client is gone (see gone()).
  std::optional<std::string> read_chunk();
  /// The whole body.
  std::string read_body();
  [[nodiscard]] bool gone() const { return gone_; }

  void send(std::string_view bytes);
  /// A complete answer. `headers` are whole lines with their ends.
  void answer(int status, std::string_view headers = "", std::string_view body = "");
  /// answer() speaks HTTP/1.0 from now on, where the end of the connection is the end of the answer.
  void speak_http_1_0() { version_ = "HTTP/1.0"; }
  /// The beginning of a chunked answer, its chunks and its end.
  void begin(int status, std::string_view headers = "");
  void chunk(std::string_view bytes);
  void end() { send("0\r\n\r\n"); }
  /// Ends the connection after this request: properly, or by a reset.
  void close() { close_ = true; }
  void reset();
  [[nodiscard]] bool closes() const { return close_ || gone_; }
  /// Waits until the client closes the connection or the server stops.
  void hang();
  /// The same, but reads nothing of what the client sends meanwhile.
  void stall();

 private:
  bool fill();
  int fd_;
  FakeRequest request_;
  std::string& pending_;
  const std::atomic<bool>& stopping_;
  std::string_view version_ = "HTTP/1.1";
  bool close_ = false;
  bool gone_ = false;
};

class FakeServer {
 public:
  using Handler = std::function<void(FakeExchange&)>;

  explicit FakeServer(Handler handler);
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  [[nodiscard]] std::string url(std::string_view path = "/c") const;
  /// "METHOD TARGET" of every request so far, in the order of their arrival.
  [[nodiscard]] std::vector<std::string> requests() const;
  [[nodiscard]] size_t count(std::string_view request) const;
  [[nodiscard]] int connections() const { return connections_; }
  /// Connections that neither side has ended. \return what is left when that is 0, or after 20 s.
  int wait_until_all_closed();
  /// Waits until `request` has come `times` times. \return false after 20 s.
  bool wait_for(std::string_view request, size_t times = 1);

 private:
  void accept_all();
  void serve(int fd, int number);
  std::optional<FakeRequest> read_request(int fd, std::string& pending);

  Handler handler_;
  UniqueFd listener_;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  int open_connections_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::string> requests_;
  std::set<int> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace trickle::testing
