#include "base/counters.h"

#include <algorithm>
#include <cmath>

namespace trickle {
namespace {

// Bucket i holds latencies up to 8 µs * 2^(i/6.4): 128 buckets reach 7.5 s.
constexpr double kFirstMicros = 8.0;
constexpr double kBucketsPerOctave = 6.4;

}  // namespace

std::string_view drop_name(Drop cause) {
  switch (cause) {
    case Drop::kLag:
      return "lag";
    case Drop::kRate:
      return "rate";
    case Drop::kDamaged:
      return "damaged";
    case Drop::kFailed:
      return "failed";
    case Drop::kTimestamp:
      return "timestamp";
    case Drop::kCount:
      break;
  }
  return "other";
}

std::string_view untouched_name(Untouched cause) {
  switch (cause) {
    case Untouched::kFailed:
      return "failed";
    case Untouched::kRestarted:
      return "restarted";
    case Untouched::kOverlay:
      return "overlay";
    case Untouched::kCount:
      break;
  }
  return "other";
}

void LatencyHistogram::record(std::chrono::nanoseconds latency) {
  const double micros = std::max(1.0, std::chrono::duration<double, std::micro>(latency).count());
  const double position = std::ceil(std::log2(micros / kFirstMicros) * kBucketsPerOctave);
  const auto index = static_cast<size_t>(std::clamp(position, 0.0, static_cast<double>(kBuckets - 1)));
  buckets_[index].fetch_add(1, std::memory_order_relaxed);
}

std::chrono::microseconds LatencyHistogram::percentile(double fraction) const {
  std::array<uint64_t, kBuckets> counts{};
  uint64_t total = 0;
  for (size_t i = 0; i < kBuckets; ++i) total += counts[i] = buckets_[i].load(std::memory_order_relaxed);
  if (total == 0) return std::chrono::microseconds(0);

  const auto rank = static_cast<uint64_t>(std::ceil(fraction * static_cast<double>(total)));
  uint64_t seen = 0;
  size_t index = 0;
  for (; index < kBuckets - 1; ++index) {
    seen += counts[index];
    if (seen >= rank && seen > 0) break;
  }
  return std::chrono::microseconds(
      std::llround(kFirstMicros * std::exp2(static_cast<double>(index) / kBucketsPerOctave)));
}

void Counters::pass_untouched(Untouched cause, uint64_t how_many) {
  untouched_[static_cast<size_t>(cause)].fetch_add(how_many, std::memory_order_relaxed);
}

uint64_t Counters::untouched(Untouched cause) const {
  return untouched_[static_cast<size_t>(cause)].load(std::memory_order_relaxed);
}

void Counters::drop(Drop cause, uint64_t how_many) {
  drops_[static_cast<size_t>(cause)].fetch_add(how_many, std::memory_order_relaxed);
}

uint64_t Counters::drops(Drop cause) const {
  return drops_[static_cast<size_t>(cause)].load(std::memory_order_relaxed);
}

uint64_t Counters::drops_total() const {
  uint64_t total = 0;
  for (const auto& count : drops_) total += count.load(std::memory_order_relaxed);
  return total;
}

void Counters::set_last_error(std::string sentence) {
  const std::lock_guard lock(last_error_mutex_);
  last_error_ = std::move(sentence);
}

std::string Counters::last_error() const {
  const std::lock_guard lock(last_error_mutex_);
  return last_error_;
}

}  // namespace trickle
