#include "media/ts_packet.h"

namespace trickle::ts {
namespace {

constexpr size_t kHeaderBytes = 4;
constexpr size_t kPcrBytes = 6;

// Adaptation field, 2.4.3.4. `field` follows its length byte.
bool parse_adaptation(Bytes field, Packet& packet) {
  if (field.empty()) return true;
  const uint8_t flags = field[0];
  packet.discontinuity = (flags & 0x80) != 0;
  packet.random_access = (flags & 0x40) != 0;
  size_t used = 1;
  if ((flags & 0x10) != 0) {
    if (field.size() < used + kPcrBytes) return false;
    const uint8_t* p = field.data() + used;
    const int64_t base =
        (static_cast<int64_t>(p[0]) << 25) | (p[1] << 17) | (p[2] << 9) | (p[3] << 1) | (p[4] >> 7);
    packet.pcr = base * 300 + (((p[4] & 1) << 8) | p[5]);
    used += kPcrBytes;
  }
  if ((flags & 0x08) != 0) used += kPcrBytes;   // OPCR
  if ((flags & 0x04) != 0) used += 1;           // splice countdown
  for (const uint8_t counted : {0x02, 0x01}) {  // private data, extension: a length byte and as many bytes
    if ((flags & counted) == 0) continue;
    if (used >= field.size()) return false;
    used += 1 + size_t{field[used]};
  }
  if (used > field.size()) return false;
  // An adaptation field that says nothing at all is there to fill the packet up, its flags as well.
  packet.stuffing_bytes = flags == 0 ? field.size() : field.size() - used;
  return true;
}

}  // namespace

std::optional<Packet> parse_packet(std::span<const uint8_t, kPacketBytes> bytes) {
  if (bytes[0] != kSyncByte) return std::nullopt;
  Packet packet;
  packet.pid = pid_of(bytes.data());
  packet.transport_error = (bytes[1] & 0x80) != 0;
  packet.payload_unit_start = unit_start_of(bytes.data());
  packet.scrambled = (bytes[3] & 0xc0) != 0;
  packet.continuity_counter = bytes[3] & 0x0f;
  const bool adaptation = (bytes[3] & 0x20) != 0;
  size_t payload_at = kHeaderBytes;
  if (adaptation) {
    const size_t length = bytes[4];
    payload_at = kHeaderBytes + 1 + length;
    if (payload_at > kPacketBytes) return std::nullopt;
    if (!parse_adaptation(bytes.subspan(kHeaderBytes + 1, length), packet)) return std::nullopt;
    if (length == 0) packet.stuffing_bytes = 1;  // The length byte itself fills the packet up by one.
  }
  if (has_payload(bytes.data())) packet.payload = bytes.subspan(payload_at);
  return packet;
}

std::array<uint8_t, kPacketBytes> make_clock_packet(uint16_t pid, uint8_t counter, int64_t pcr) {
  std::array<uint8_t, kPacketBytes> packet;
  packet.fill(0xff);
  const auto base = static_cast<uint64_t>(pcr / 300) & ((uint64_t{1} << 33) - 1);
  const auto extension = static_cast<uint16_t>(pcr % 300);
  packet[0] = kSyncByte;
  packet[1] = static_cast<uint8_t>(pid >> 8 & 0x1f);
  packet[2] = static_cast<uint8_t>(pid);
  packet[3] = static_cast<uint8_t>(0x20 | (counter & 0x0f));
  packet[4] = kPacketBytes - 5;
  packet[5] = 0x10;
  for (size_t i = 0; i < 4; ++i) packet[6 + i] = static_cast<uint8_t>(base >> (25 - 8 * i));
  packet[10] = static_cast<uint8_t>((base & 1) << 7 | 0x7e | extension >> 8);
  packet[11] = static_cast<uint8_t>(extension);
  return packet;
}

}  // namespace trickle::ts
