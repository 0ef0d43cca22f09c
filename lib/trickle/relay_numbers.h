// What a relay counts of its deliveries, for /_metrics: plain numbers of the thread that delivers, gathered
// when somebody asks.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "io/clock.h"

namespace trickle {

/// A histogram of durations whose bounds are powers of two, 64 µs to 67 s: counting is a few instructions.
class DelayHistogram {
 public:
  static constexpr size_t kBuckets = 21;
  /// The longest that is counted in a bucket; what is longer than the last one's bound is only in count().
  [[nodiscard]] static constexpr std::chrono::microseconds bound(size_t bucket) {
    return std::chrono::microseconds(int64_t{64} << bucket);
  }

  void record(Duration delay) {
    const auto us = std::max<int64_t>(std::chrono::ceil<std::chrono::microseconds>(delay).count(), 1);
    // 64 and less are bucket 0, up to 128 bucket 1, …
    const auto bucket = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(us - 1) >> 6));
    if (bucket < kBuckets) ++buckets_[bucket];
    ++count_;
    sum_ += delay;
  }
  void add(const DelayHistogram& other) {
    for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    sum_ += other.sum_;
  }
  [[nodiscard]] const std::array<uint64_t, kBuckets>& buckets() const { return buckets_; }
  [[nodiscard]] uint64_t count() const { return count_; }
  [[nodiscard]] Duration sum() const { return sum_; }

 private:
  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  Duration sum_{};
};

struct RelayNumbers {
  uint64_t deliveries = 0;       ///< Pieces that a reader's socket has taken.
  uint64_t skips = 0;            ///< Readers that asked for what had left the window, and have to jump.
  uint64_t cut_off_readers = 0;  ///< Their segment was evicted before they had it all.
  /// From a piece's arrival until a reader that was there by then has been sent it.
  DelayHistogram delay;

  void add(const RelayNumbers& other) {
    deliveries += other.deliveries;
    skips += other.skips;
    cut_off_readers += other.cut_off_readers;
    delay.add(other.delay);
  }
};

}  // namespace trickle
