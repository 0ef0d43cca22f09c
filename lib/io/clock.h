// Time behind an interface, so that rules which speak of seconds are tested without waiting for them.
#pragma once

#include <chrono>

namespace trickle {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

/// Reads the monotonic clock. Implementations are thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual TimePoint now() const = 0;
};

/// The machine's own clock, valid for the whole life of the process.
[[nodiscard]] const Clock& system_clock();

/// A clock that stands still until a test moves it. Not thread-safe.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return now_; }
  void advance(Duration step) { now_ += step; }

 private:
  TimePoint now_{std::chrono::hours(1)};
};

/// Milliseconds since the Unix epoch, for events and statistics.
[[nodiscard]] std::chrono::milliseconds unix_time();

}  // namespace trickle
