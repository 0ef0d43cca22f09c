#include "bench/statistics.h"

#include <algorithm>
#include <bit>

namespace trickle::bench {

size_t Histogram::bucket_of(uint64_t value) {
  if (value < (1u << kSubBits)) return static_cast<size_t>(value);
  const int shift = 63 - std::countl_zero(value) - kSubBits;
  return (static_cast<size_t>(shift + 1) << kSubBits) + ((value >> shift) & ((1u << kSubBits) - 1));
}

uint64_t Histogram::upper_end(size_t bucket) {
  const size_t group = bucket >> kSubBits;
  const uint64_t sub = bucket & ((1u << kSubBits) - 1);
  if (group == 0) return sub;
  return (((uint64_t{1} << kSubBits) + sub + 1) << (group - 1)) - 1;
}

void Histogram::add(std::chrono::nanoseconds value) {
  const int64_t ns = std::max<int64_t>(value.count(), 0);
  ++buckets_[bucket_of(static_cast<uint64_t>(ns))];
  ++count_;
  max_ = std::max(max_, ns);
}

void Histogram::merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

std::chrono::nanoseconds Histogram::at(double quantile) const {
  if (count_ == 0) return {};
  const double wanted = quantile * static_cast<double>(count_);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen > 0 && static_cast<double>(seen) >= wanted) {
      return std::chrono::nanoseconds(std::min<int64_t>(static_cast<int64_t>(upper_end(i)), max_));
    }
  }
  return max();
}

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back()};
}

}  // namespace trickle::bench
