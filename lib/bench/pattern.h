// Data whose every byte is known by its position, with the time of sending inside: what a load generator
// sends and what its readers check.
//
// A message is kStampBytes of the sender's steady clock (nanoseconds, little-endian), then bytes that follow
// from channel, segment and offset. A segment is a row of messages of one size.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bench/statistics.h"
#include "io/clock.h"

namespace trickle::bench {

inline constexpr size_t kStampBytes = 8;

/// Immutable, so it may be shared by threads.
class Pattern {
 public:
  /// \param message_bytes  at least 2 * kStampBytes.
  explicit Pattern(size_t message_bytes);
  [[nodiscard]] size_t message_bytes() const { return message_bytes_; }
  /// What stands at `offset` of a segment and after it, up to the end of its message; stamps excepted.
  [[nodiscard]] const char* at(uint32_t channel, int64_t segment, uint64_t offset) const;
  /// Makes one whole message in place.
  void fill(std::span<char> message, uint32_t channel, int64_t segment, uint64_t index, TimePoint now) const;

 private:
  size_t message_bytes_;
  std::vector<char> bytes_;
};

/// Checks one segment as it comes in, in pieces of any size. Not thread-safe.
class SegmentChecker {
 public:
  void begin(uint32_t channel, int64_t segment);
  /// Each message that becomes complete adds its delay until `now`.
  void take(const Pattern& pattern, std::span<const char> bytes, TimePoint now, Histogram& delays);
  /// Of this segment so far.
  [[nodiscard]] uint64_t received_bytes() const { return offset_; }
  [[nodiscard]] uint64_t wrong_bytes() const { return wrong_bytes_; }

 private:
  void take_stamp(const char* bytes, size_t at, size_t count);

  uint32_t channel_ = 0;
  int64_t segment_ = -1;
  uint64_t offset_ = 0;
  uint64_t wrong_bytes_ = 0;
  uint64_t stamp_ = 0;
};

}  // namespace trickle::bench
