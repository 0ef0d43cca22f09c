// The 188-byte MPEG-TS packet: header and adaptation field (ISO/IEC 13818-1, 2.4.3.2 to 2.4.3.5).
//
// Pure functions on bytes of the caller; nothing is copied. May be called from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace trickle::ts {

using Bytes = std::span<const uint8_t>;

inline constexpr size_t kPacketBytes = 188;
inline constexpr uint8_t kSyncByte = 0x47;
inline constexpr uint16_t kPatPid = 0x0000;
inline constexpr uint16_t kNullPid = 0x1fff;

/// The fields of every packet's first four bytes, read one by one: what a fast path needs of most packets.
/// `packet` points to kPacketBytes bytes that begin with kSyncByte.
[[nodiscard]] inline uint16_t pid_of(const uint8_t* packet) {
  return static_cast<uint16_t>(((packet[1] & 0x1f) << 8) | packet[2]);
}
[[nodiscard]] inline bool unit_start_of(const uint8_t* packet) { return (packet[1] & 0x40) != 0; }
[[nodiscard]] inline bool has_payload(const uint8_t* packet) { return (packet[3] & 0x10) != 0; }

struct Packet {
  uint16_t pid = kNullPid;
  bool transport_error = false;     ///< The sender knows that it is damaged.
  bool payload_unit_start = false;  ///< A PES packet begins here, or a section does (after a pointer field).
  bool scrambled = false;
  uint8_t continuity_counter = 0;  ///< 0 to 15.
  bool discontinuity = false;      ///< The continuity counter or the clock may jump here.
  bool random_access = false;      ///< random_access_indicator: only a hint, see ts_access_unit.h.
  std::optional<int64_t> pcr;      ///< Program clock reference in units of 1/27,000,000 s.
  /// Bytes of stuffing in the adaptation field. More than none in a video packet is how a muxer fills the
  /// last packet of an access unit.
  size_t stuffing_bytes = 0;
  Bytes payload;  ///< Empty when there is none. Points into the packet.
};

/// Parses one packet. \return nothing when it has no sync byte, or fields that contradict each other.
[[nodiscard]] std::optional<Packet> parse_packet(std::span<const uint8_t, kPacketBytes> packet);

/// A packet without payload that carries the clock only. `counter` repeats that of the PID's packet before.
/// \param pcr in units of 1/27,000,000 s; its base is taken modulo 2^33.
[[nodiscard]] std::array<uint8_t, kPacketBytes> make_clock_packet(uint16_t pid, uint8_t counter, int64_t pcr);

}  // namespace trickle::ts
