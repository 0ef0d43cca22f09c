// Reports losses of one kind: the first at once, later ones once a second, the rest at the end.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "base/once_a_second.h"

namespace trickle {

/// Not thread-safe.
class LossLog {
 public:
  /// \param what the plural of what was lost, as in "damaged frames".
  explicit LossLog(std::string what) : what_(std::move(what)) {}

  void add(std::string_view why, uint64_t how_many = 1) {
    total_ += how_many;
    if (auto count = log_.add(std::chrono::steady_clock::now(), how_many)) {
      log::warning("{} {} dropped: {}", *count, what_, why);
    }
  }
  /// Reports what was held back. Call at the end of the stream.
  void finish() {
    if (auto count = log_.rest()) log::warning("{} more {} dropped", *count, what_);
  }
  [[nodiscard]] uint64_t total() const { return total_; }

 private:
  std::string what_;
  OnceASecond log_;
  uint64_t total_ = 0;
};

}  // namespace trickle
