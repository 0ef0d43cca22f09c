// How much of something comes in a second, lately: an average in which the past counts less and less.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>

#include "io/clock.h"

namespace trickle {

/// Not thread-safe.
class RateMeter {
 public:
  explicit RateMeter(TimePoint now) : begun_at_(now), at_(now) {}

  void add(double amount, TimePoint now) {
    weight_ = faded(now) + amount;
    at_ = now;
  }
  /// In a second. Right from the beginning: a young meter does not take the time before it for silence.
  [[nodiscard]] double rate(TimePoint now) const {
    const double age = std::chrono::duration<double>(now - begun_at_).count();
    const double seen = kSeconds * (1 - std::exp(-std::max(age, kLeastAge) / kSeconds));
    return faded(now) / seen;
  }

 private:
  static constexpr double kSeconds = 5;
  static constexpr double kLeastAge = 0.2;
  [[nodiscard]] double faded(TimePoint now) const {
    return weight_ * std::exp(-std::chrono::duration<double>(now - at_).count() / kSeconds);
  }

  TimePoint begun_at_;
  TimePoint at_;
  double weight_ = 0;
};

}  // namespace trickle
