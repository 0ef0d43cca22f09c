// Keeps a repeated event from flooding the log: the first is reported at once, later ones as one line a
// second.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace trickle {

/// One for each kind of event. Not thread-safe: it belongs to the stage that reports.
class OnceASecond {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// Counts events that happened at `now`.
  /// \return how many events to report now (this call's and those held back since the last report), or
  /// nothing.
  std::optional<uint64_t> add(TimePoint now, uint64_t events = 1) {
    held_back_ += events;
    if (last_report_ && now - *last_report_ < std::chrono::seconds(1)) return std::nullopt;
    return take(now);
  }

  /// What is still held back, for the end of a stream; nothing when all was reported.
  std::optional<uint64_t> rest() { return held_back_ > 0 ? take(TimePoint{}) : std::nullopt; }

 private:
  std::optional<uint64_t> take(TimePoint now) {
    last_report_ = now;
    const uint64_t events = held_back_;
    held_back_ = 0;
    return events;
  }

  std::optional<TimePoint> last_report_;
  uint64_t held_back_ = 0;
};

}  // namespace trickle
