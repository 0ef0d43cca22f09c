// What a relay counts of its deliveries, for /_metrics: each thread that delivers has numbers of its own,
// which are gathered when somebody asks.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "io/clock.h"

namespace trickle {

/// A number that one thread changes and any may read. It costs what a plain one costs.
class OwnNumber {
 public:
  OwnNumber& operator+=(uint64_t more) {
    value_.store(value_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    return *this;
  }
  void operator++() { *this += 1; }
  void operator--() { *this += UINT64_MAX; }
  operator uint64_t() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// A histogram of durations whose bounds are powers of two, 64 µs to 67 s: counting is a few instructions.
class DelayHistogram {
 public:
  static constexpr size_t kBuckets = 21;
  /// The longest that is counted in a bucket; what is longer than the last one's bound is only in count().
  [[nodiscard]] static constexpr std::chrono::microseconds bound(size_t bucket) {
    return std::chrono::microseconds(int64_t{64} << bucket);
  }

  void record(Duration measured) {
    const Duration delay = std::max(measured, Duration::zero());
    const auto us = std::max<int64_t>(std::chrono::ceil<std::chrono::microseconds>(delay).count(), 1);
    // 64 and less are bucket 0, up to 128 bucket 1, …
    const auto bucket = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(us - 1) >> 6));
    if (bucket < kBuckets) ++buckets_[bucket];
    ++count_;
    sum_ns_ += static_cast<uint64_t>(std::chrono::nanoseconds(delay).count());
  }
  void add(const DelayHistogram& other) {
    for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    sum_ns_ += other.sum_ns_;
  }
  [[nodiscard]] const std::array<OwnNumber, kBuckets>& buckets() const { return buckets_; }
  [[nodiscard]] uint64_t count() const { return count_; }
  [[nodiscard]] Duration sum() const { return std::chrono::nanoseconds(uint64_t{sum_ns_}); }

 private:
  std::array<OwnNumber, kBuckets> buckets_;
  OwnNumber count_;
  OwnNumber sum_ns_;
};

struct RelayNumbers {
  OwnNumber readers;          ///< GETs of segments and of /live in progress.
  OwnNumber deliveries;       ///< Pieces that a reader's socket has taken.
  OwnNumber skips;            ///< Readers that asked for what had left the window, and have to jump.
  OwnNumber cut_off_readers;  ///< Their segment was evicted before they had it all.
  /// From a piece's arrival until a reader that was there by then has been sent it.
  DelayHistogram delay;

  void add(const RelayNumbers& other) {
    readers += other.readers;
    deliveries += other.deliveries;
    skips += other.skips;
    cut_off_readers += other.cut_off_readers;
    delay.add(other.delay);
  }
};

}  // namespace trickle
