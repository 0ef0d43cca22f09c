// How often a chain may be restarted before its stream is given up: at most `limit` times within `window`.
#pragma once

#include <chrono>
#include <deque>

#include "io/clock.h"

namespace trickle::pipeline {

class RestartBudget {
 public:
  RestartBudget(size_t limit, Duration window) : limit_(limit), window_(window) {}

  /// Takes one restart at `now`. \return false when the budget is spent; nothing is taken then.
  bool take(TimePoint now) {
    while (!taken_.empty() && now - taken_.front() >= window_) taken_.pop_front();
    if (taken_.size() >= limit_) return false;
    taken_.push_back(now);
    return true;
  }

 private:
  size_t limit_;
  Duration window_;
  std::deque<TimePoint> taken_;
};

}  // namespace trickle::pipeline
