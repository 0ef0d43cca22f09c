// What NUT is written in: numbers of variable length, startcodes, checksums (NUT specification, "Syntax
// description" and "Tag description"). For the reader's own files.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace trickle::nut {

inline constexpr uint64_t kMain = 0x4E4D7A561F5F04AD;
inline constexpr uint64_t kStream = 0x4E5311405BF2F9DB;
inline constexpr uint64_t kSyncpoint = 0x4E4BE4ADEECA4569;
inline constexpr uint64_t kIndex = 0x4E58DD672F23E64E;
inline constexpr uint64_t kInfo = 0x4E49AB68B596BA78;

[[nodiscard]] constexpr bool is_startcode(uint64_t value) {
  return value == kMain || value == kStream || value == kSyncpoint || value == kIndex || value == kInfo;
}

/// Flags of a frame code.
enum Flag : uint64_t {
  kCodedPts = 8,
  kStreamId = 16,
  kSizeMsb = 32,
  kChecksum = 64,
  kReserved = 128,
  kSideMeta = 256,
  kHeaderIndex = 1024,
  kMatchTime = 2048,
  kCoded = 4096,
  kInvalid = 8192,
};
/// A flag of the main header.
inline constexpr uint64_t kBroadcast = 1;

/// A packet's body and its checksum together give 0.
[[nodiscard]] uint32_t crc_step(uint32_t crc, uint8_t byte);
[[nodiscard]] uint32_t crc_of(uint32_t crc, std::span<const uint8_t> bytes);

/// 0, 1, -1, 2, -2, … as 0, 1, 2, 3, 4, …
[[nodiscard]] constexpr int64_t signed_of(uint64_t value) {
  const auto half = static_cast<int64_t>((value >> 1) + (value & 1));
  return (value & 1) != 0 ? half : -half;
}

/// The fields of a header that is in memory whole. Past its end everything is 0, and ok() is false.
class Fields {
 public:
  explicit Fields(std::span<const uint8_t> bytes) : rest_(bytes) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool more() const { return ok_ && !rest_.empty(); }
  /// A number without a sign, one with, and a counted string.
  uint64_t v();
  int64_t s() { return signed_of(v()); }
  std::span<const uint8_t> bytes();
  std::string_view text();

 private:
  std::span<const uint8_t> rest_;
  bool ok_ = true;
};

}  // namespace trickle::nut
