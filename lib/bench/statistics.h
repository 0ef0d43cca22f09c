// What a set of measurements comes down to: percentiles of delays, and median, least and greatest of rounds.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

namespace trickle::bench {

/// Counts durations in buckets whose width is 1/32 of their value: a percentile is off by 3 % at most, adding
/// one costs a few nanoseconds, and any number of them the same memory. Not thread-safe.
class Histogram {
 public:
  void add(std::chrono::nanoseconds value);
  void merge(const Histogram& other);
  [[nodiscard]] uint64_t count() const { return count_; }
  /// The value that the share `quantile` (0 to 1) of all values does not exceed; 0 when there is none.
  [[nodiscard]] std::chrono::nanoseconds at(double quantile) const;
  [[nodiscard]] std::chrono::nanoseconds max() const { return std::chrono::nanoseconds(max_); }

 private:
  static constexpr int kSubBits = 5;
  static constexpr size_t kBuckets = (64 - kSubBits) << kSubBits;
  static size_t bucket_of(uint64_t value);
  static uint64_t upper_end(size_t bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  int64_t max_ = 0;
};

struct Spread {
  double median = 0;
  double min = 0;
  double max = 0;
};

/// All zero when there are no values.
[[nodiscard]] Spread spread_of(std::vector<double> values);

}  // namespace trickle::bench
