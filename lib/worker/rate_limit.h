// How many requests a second one client may send: a bucket of tokens for each address.
#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <string_view>

#include "io/clock.h"

namespace trickle::worker {

/// Not thread-safe.
class RateLimit {
 public:
  /// `per_second` requests, with bursts of twice as many; 0: no limit.
  explicit RateLimit(double per_second) : per_second_(per_second), burst_(std::max(1.0, 2 * per_second)) {}

  /// Takes a token of `address`. \return false when there is none.
  bool take(std::string_view address, TimePoint now) {
    if (per_second_ <= 0) return true;
    if (buckets_.size() >= kMostAddresses) forget_idle(now);
    auto [found, is_new] = buckets_.try_emplace(std::string(address), Bucket{burst_, now});
    Bucket& bucket = found->second;
    const double elapsed = std::chrono::duration<double>(now - bucket.filled_at).count();
    bucket.tokens = std::min(burst_, bucket.tokens + elapsed * per_second_);
    bucket.filled_at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

 private:
  static constexpr size_t kMostAddresses = 10'000;
  struct Bucket {
    double tokens;
    TimePoint filled_at;
  };
  // A bucket that is full again says no more than one that is not there.
  void forget_idle(TimePoint now) {
    std::erase_if(buckets_, [&](const auto& entry) {
      const double elapsed = std::chrono::duration<double>(now - entry.second.filled_at).count();
      return entry.second.tokens + elapsed * per_second_ >= burst_;
    });
    if (buckets_.size() >= kMostAddresses) buckets_.clear();
  }

  double per_second_;
  double burst_;
  std::map<std::string, Bucket, std::less<>> buckets_;
};

}  // namespace trickle::worker
