// A running 64-bit hash of bytes, the same however they are cut into pieces: to see whether a server that
// resends the beginning of a segment sends what it sent before. Not for use against an adversary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace trickle {

class ByteHash {
 public:
  void add(std::span<const std::byte> bytes) {
    total_ += bytes.size();
    while (pending_bytes_ != 0 && !bytes.empty()) {
      add_byte(bytes.front());
      bytes = bytes.subspan(1);
    }
    while (bytes.size() >= sizeof(uint64_t)) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data(), sizeof word);
      mix(word);
      bytes = bytes.subspan(sizeof word);
    }
    for (const std::byte byte : bytes) add_byte(byte);
  }
  [[nodiscard]] uint64_t value() const { return (state_ ^ pending_ ^ total_) * kFactor; }

 private:
  static constexpr uint64_t kFactor = 0x9e3779b97f4a7c15ULL;

  void add_byte(std::byte byte) {
    pending_ |= static_cast<uint64_t>(byte) << (8 * pending_bytes_);
    if (++pending_bytes_ < sizeof pending_) return;
    mix(pending_);
    pending_ = 0;
    pending_bytes_ = 0;
  }
  void mix(uint64_t word) {
    state_ = (state_ ^ word) * kFactor;
    state_ ^= state_ >> 29;
  }

  uint64_t state_ = 1;
  uint64_t pending_ = 0;
  unsigned pending_bytes_ = 0;
  uint64_t total_ = 0;
};

}  // namespace trickle
