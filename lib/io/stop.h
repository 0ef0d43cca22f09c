// Asking a running program, or one piece of work in it, to come to an end.
//
// A StopToken can be polled next to any descriptor, so that no wait outlives the request. In a tool the first
// SIGINT or SIGTERM requests the stop and the second ends the process at once with exit code 130.
#pragma once

#include <memory>

#include "io/unique_fd.h"
#include "trickle/result.h"

namespace trickle {

/// Observes a stop request. Cheap to copy; thread-safe. A default-made token never stops.
class StopToken {
 public:
  StopToken() = default;
  [[nodiscard]] bool stop_requested() const;
  /// A descriptor that becomes readable, and stays so, once a stop is requested; -1 for a token that never
  /// stops.
  [[nodiscard]] int fd() const;

 private:
  friend class StopSource;
  struct State;
  explicit StopToken(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

/// Makes stop requests. Thread-safe.
class StopSource {
 public:
  StopSource();
  /// Requests the stop; later calls change nothing. Safe in a signal handler.
  void request_stop() const noexcept;
  [[nodiscard]] StopToken token() const;

 private:
  std::shared_ptr<const StopToken::State> state_;
};

/// Installs the tools' signal manners for the whole process, once: SIGPIPE ignored; the first SIGINT or
/// SIGTERM requests a stop on the returned token, the second calls _exit(130). System calls are interrupted
/// (EINTR).
StopToken stop_on_signals();

}  // namespace trickle
