#include "media/ts_pes.h"

namespace trickle::ts {
namespace {

// Three marker bits separate 3 + 15 + 15 bits.
std::optional<int64_t> read_timestamp(const uint8_t* p) {
  if ((p[0] & 1) == 0 || (p[2] & 1) == 0 || (p[4] & 1) == 0) return std::nullopt;
  return (static_cast<int64_t>((p[0] >> 1) & 0x07) << 30) | (p[1] << 22) | ((p[2] >> 1) << 15) | (p[3] << 7) |
         (p[4] >> 1);
}

// These carry no optional header: program stream map, padding, private 2, ECM, EMM, directory, DSM-CC,
// H.222.1 E.
bool has_short_header(uint8_t stream_id) {
  switch (stream_id) {
    case 0xbc:
    case 0xbe:
    case 0xbf:
    case 0xf0:
    case 0xf1:
    case 0xf2:
    case 0xf8:
    case 0xff:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::optional<PesHeader> parse_pes_header(Bytes payload) {
  constexpr size_t kShortBytes = 6;
  constexpr size_t kFixedBytes = 9;
  constexpr size_t kTimestampBytes = 5;
  if (payload.size() < kShortBytes || payload[0] != 0 || payload[1] != 0 || payload[2] != 1)
    return std::nullopt;
  PesHeader header;
  header.stream_id = payload[3];
  const size_t length = static_cast<size_t>(payload[4] << 8) | payload[5];
  header.packet_bytes = length == 0 ? 0 : kShortBytes + length;
  if (has_short_header(header.stream_id)) {
    header.header_bytes = kShortBytes;
    return header;
  }
  if (payload.size() < kFixedBytes || (payload[6] & 0xc0) != 0x80) return std::nullopt;
  header.data_alignment = (payload[6] & 0x04) != 0;
  header.header_bytes = kFixedBytes + payload[8];
  if (header.header_bytes > payload.size()) return std::nullopt;
  const bool has_pts = (payload[7] & 0x80) != 0;
  const bool has_dts = has_pts && (payload[7] & 0x40) != 0;
  if (has_pts && payload[8] >= kTimestampBytes) header.pts = read_timestamp(&payload[kFixedBytes]);
  if (has_dts && payload[8] >= 2 * kTimestampBytes) {
    header.dts = read_timestamp(&payload[kFixedBytes + kTimestampBytes]);
  }
  return header;
}

}  // namespace trickle::ts
