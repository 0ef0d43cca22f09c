// The machine's clock with leaps ahead, so that a test of what takes twenty seconds or three hours doesn't.
#pragma once

#include <atomic>

#include "io/clock.h"

namespace trickle::testing {

/// Thread-safe.
class JumpingClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return system_clock().now() + Duration(offset_.load()); }
  void jump(Duration ahead) { offset_ += ahead.count(); }

 private:
  std::atomic<Duration::rep> offset_{0};
};

}  // namespace trickle::testing
