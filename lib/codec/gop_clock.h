// When the next keyframe is due, by timestamps.
#pragma once

#include <chrono>

#include "trickle/frame.h"

namespace trickle {

/// Ticks in steps of the GOP's length from the first picture on, and anew where pictures come late.
class GopClock {
 public:
  explicit GopClock(std::chrono::microseconds gop)
      : gop_seconds_(std::chrono::duration<double>(gop).count()) {}

  /// True for the first picture and for each that is the first at or after a tick.
  bool keyframe_due(const Timestamp& timestamp) {
    const double now = timestamp.seconds();
    const double tolerance = timestamp.time_base.to_double() / 2;
    if (begun_ && now < next_ - tolerance) return false;
    const bool anew = !begun_ || now >= next_ + gop_seconds_;
    next_ = (anew ? now : next_) + gop_seconds_;
    begun_ = true;
    return true;
  }

 private:
  double gop_seconds_;
  double next_ = 0;  // In seconds.
  bool begun_ = false;
};

}  // namespace trickle
