// --max-fps: which frames come too early, by their timestamps.
#pragma once

namespace trickle {

/// Due times step by 1/max_fps and start anew where the source is late.
class RateLimiter {
 public:
  explicit RateLimiter(double max_fps) : period_(1.0 / max_fps) {}

  /// True when the frame at `seconds` is due; false when it is to be dropped.
  bool due(double seconds) {
    // Sources round their timestamps (to a millisecond, to a tick): a frame a tenth of a period early is on
    // time.
    if (begun_ && seconds < next_ - period_ / 10 && seconds > next_ - 10 * period_) return false;
    const double next = (begun_ ? next_ : seconds) + period_;
    const bool late = next <= seconds || next > seconds + 2 * period_;
    next_ = late ? seconds + period_ : next;
    begun_ = true;
    return true;
  }

 private:
  double period_;
  double next_ = 0;  // When the next frame is due.
  bool begun_ = false;
};

}  // namespace trickle
