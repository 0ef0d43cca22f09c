// All streams of one worker: which may start, which is meant, and what the whole looks like.
#pragma once

#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "worker/stream.h"

namespace trickle::worker {

/// A refusal as the API answers it: a status (400, 409, 503 …) and one sentence.
struct Refusal {
  int status;
  std::string message;
};

struct WorkerOptions {
  size_t capacity = 1;  ///< Streams at once.
  StreamOptions stream;
};

/// Belongs to the thread that runs the io_context.
class Worker {
 public:
  Worker(boost::asio::io_context& io, WorkerOptions options);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Takes a slot and starts the stream, or says why not. Nothing that runs is touched by a refusal.
  std::optional<Refusal> start(StartRequest request);

  /// The stream of that id, or, with an empty id, the only one.
  struct Choice {
    std::shared_ptr<Stream> stream;  ///< Null: see refusal.
    Refusal refusal;
  };
  [[nodiscard]] Choice choose(std::string_view id) const;

  /// Streams that have not ended, and those that ended last, newest last.
  [[nodiscard]] std::vector<std::shared_ptr<Stream>> running() const;
  [[nodiscard]] const std::deque<std::shared_ptr<Stream>>& ended() const { return ended_; }
  [[nodiscard]] size_t free_slots() const;
  /// Streams started, and ended with an error, since the worker began.
  [[nodiscard]] uint64_t started() const { return started_; }
  [[nodiscard]] uint64_t failed() const { return failed_; }

  /// Something has to be done before the first start: until end_loading() was called as often, starts are
  /// refused.
  void begin_loading() { ++loading_; }
  /// With what went wrong, if anything did: that is then told by state() until a good start.
  void end_loading(const std::optional<std::string>& failure = {}) {
    --loading_;
    if (failure) last_failure_ = *failure;
  }
  [[nodiscard]] bool loading() const { return loading_ > 0; }

  /// Hands a signal to every process of every stream.
  void send_signal(int signal);

  /// "LOADING", "IDLE" or "OK": a stream that failed leaves no mark on the worker.
  [[nodiscard]] const char* health() const;
  /// The STATE object of trickle-api(7).
  [[nodiscard]] nlohmann::ordered_json state() const;

  /// Starts nothing more and stops everything; `done` is called when all streams have ended.
  void shut_down(std::function<void()> done);

 private:
  void on_ended(const std::string& id);

  boost::asio::io_context& io_;
  WorkerOptions options_;
  std::map<std::string, std::shared_ptr<Stream>, std::less<>> streams_;
  std::deque<std::shared_ptr<Stream>> ended_;
  std::string last_failure_;  // Since the last good start.
  std::function<void()> when_empty_;
  int loading_ = 0;
  uint64_t started_ = 0;
  uint64_t failed_ = 0;
};

}  // namespace trickle::worker
