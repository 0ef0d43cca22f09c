#include "bench/pattern.h"

#include <algorithm>
#include <cstring>
#include <random>

namespace trickle::bench {
namespace {

// A prime, so that no power of two in between repeats the same bytes.
constexpr uint64_t kPeriod = 65521;

uint64_t nanoseconds(TimePoint time) {
  return static_cast<uint64_t>(std::chrono::nanoseconds(time.time_since_epoch()).count());
}

}  // namespace

Pattern::Pattern(size_t message_bytes)
    : message_bytes_(std::max(message_bytes, 2 * kStampBytes)), bytes_(kPeriod + message_bytes_) {
  std::mt19937 random(1);
  for (size_t i = 0; i < kPeriod; ++i) bytes_[i] = static_cast<char>(random());
  // Runs on, so that a message has one piece of memory wherever it begins.
  for (size_t i = kPeriod; i < bytes_.size(); ++i) bytes_[i] = bytes_[i - kPeriod];
}

const char* Pattern::at(uint32_t channel, int64_t segment, uint64_t offset) const {
  return bytes_.data() + (channel * 104729u + static_cast<uint64_t>(segment) * 7919u + offset) % kPeriod;
}

void Pattern::fill(std::span<char> message, uint32_t channel, int64_t segment, uint64_t index,
                   TimePoint now) const {
  const uint64_t stamp = nanoseconds(now);
  std::memcpy(message.data(), &stamp, kStampBytes);
  std::memcpy(message.data() + kStampBytes, at(channel, segment, index * message_bytes_ + kStampBytes),
              message.size() - kStampBytes);
}

void SegmentChecker::begin(uint32_t channel, int64_t segment) {
  channel_ = channel;
  segment_ = segment;
  offset_ = wrong_bytes_ = stamp_ = 0;
}

void SegmentChecker::take_stamp(const char* bytes, size_t at, size_t count) {
  std::memcpy(reinterpret_cast<char*>(&stamp_) + at, bytes, count);
}

void SegmentChecker::take(const Pattern& pattern, std::span<const char> bytes, TimePoint now,
                          Histogram& delays) {
  while (!bytes.empty()) {
    const size_t at = offset_ % pattern.message_bytes();
    const size_t end = at < kStampBytes ? kStampBytes : pattern.message_bytes();
    const size_t count = std::min(bytes.size(), end - at);
    if (at < kStampBytes) {
      take_stamp(bytes.data(), at, count);
    } else if (const char* right = pattern.at(channel_, segment_, offset_);
               std::memcmp(bytes.data(), right, count) != 0) {
      for (size_t i = 0; i < count; ++i) wrong_bytes_ += bytes[i] != right[i];
    }
    offset_ += count;
    bytes = bytes.subspan(count);
    if (offset_ % pattern.message_bytes() == 0) {
      // A stamp from the future, or from before this machine was started, is no stamp.
      const uint64_t received = nanoseconds(now);
      if (stamp_ > received || stamp_ == 0) {
        wrong_bytes_ += kStampBytes;
      } else {
        delays.add(std::chrono::nanoseconds(received - stamp_));
      }
    }
  }
}

}  // namespace trickle::bench
