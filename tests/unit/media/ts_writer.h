// Makes small transport streams for tests, packet by packet.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "media/ts_packet.h"
#include "media/ts_psi.h"

namespace trickle::testing {

using ByteVector = std::vector<uint8_t>;

// Not inlined: GCC 12 warns of overflows that can't happen where it sees the sizes of both.
[[gnu::noinline]] inline void append(ByteVector& to, const ByteVector& more) {
  to.insert(to.end(), more.begin(), more.end());
}

/// One packet's worth of bytes that begins with `head`.
[[gnu::noinline]] inline ByteVector padded(std::initializer_list<uint8_t> head, uint8_t fill) {
  ByteVector bytes(ts::kPacketBytes, fill);
  std::copy(head.begin(), head.end(), bytes.begin());
  return bytes;
}

class TsWriter {
 public:
  static constexpr uint16_t kPmtPid = 0x1000;
  static constexpr uint16_t kVideoPid = 0x100;
  static constexpr uint16_t kAudioPid = 0x101;

  struct Stream {
    uint16_t pid;
    uint8_t type;
  };

  explicit TsWriter(std::vector<Stream> streams = {{kVideoPid, 0x1b}, {kAudioPid, 0x0f}})
      : streams_(std::move(streams)) {}

  struct Program {
    uint16_t number;
    uint16_t pmt_pid;
  };
  ByteVector pat(const std::vector<Program>& programs = {{1, kPmtPid}}) {
    ByteVector section{0x00, 0xb0, static_cast<uint8_t>(9 + 4 * programs.size()), 0, 1, 0xc1, 0, 0};
    for (const Program& program : programs) {
      append(section, {static_cast<uint8_t>(program.number >> 8), static_cast<uint8_t>(program.number & 0xff),
                       static_cast<uint8_t>(0xe0 | (program.pmt_pid >> 8)),
                       static_cast<uint8_t>(program.pmt_pid & 0xff)});
    }
    return section_packets(ts::kPatPid, section);
  }

  ByteVector pmt(const ByteVector& program_info = {}, uint8_t number = 1) {
    ByteVector section{0x02, 0, 0, 0, number, 0xc1, 0, 0, 0xe1, 0x00};
    section.push_back(static_cast<uint8_t>(0xf0 | (program_info.size() >> 8)));
    section.push_back(static_cast<uint8_t>(program_info.size() & 0xff));
    append(section, program_info);
    for (const Stream& s : streams_) {
      append(section, {s.type, static_cast<uint8_t>(0xe0 | (s.pid >> 8)), static_cast<uint8_t>(s.pid & 0xff),
                       0xf0, 0});
    }
    const size_t length = section.size() - 3 + 4;
    section[1] = static_cast<uint8_t>(0xb0 | (length >> 8));
    section[2] = static_cast<uint8_t>(length & 0xff);
    return section_packets(kPmtPid, section);
  }

  /// One PES packet in as many TS packets as it takes. `with_length` false: PES_packet_length 0.
  ByteVector pes(uint16_t pid, int64_t pts, const ByteVector& data, bool random_access = false,
                 bool with_length = false) {
    const uint64_t t = static_cast<uint64_t>(pts) & ((uint64_t{1} << 33) - 1);
    const size_t length = with_length ? data.size() + 8 : 0;
    ByteVector unit{0,
                    0,
                    1,
                    static_cast<uint8_t>(pid == kAudioPid ? 0xc0 : 0xe0),
                    static_cast<uint8_t>(length >> 8),
                    static_cast<uint8_t>(length & 0xff),
                    0x80,
                    0x80,
                    5};
    unit.push_back(static_cast<uint8_t>(0x21 | ((t >> 29) & 0x0e)));
    unit.push_back(static_cast<uint8_t>(t >> 22));
    unit.push_back(static_cast<uint8_t>(0x01 | ((t >> 14) & 0xfe)));
    unit.push_back(static_cast<uint8_t>(t >> 7));
    unit.push_back(static_cast<uint8_t>(0x01 | ((t << 1) & 0xfe)));
    append(unit, data);
    return packets(pid, unit, random_access);
  }

  ByteVector null_packet() { return padded({ts::kSyncByte, 0x1f, 0xff, 0x10}, 0xff); }

  /// H.264 access units: what a scanner must tell apart. `sei_bytes` of user data stand before the slice.
  static ByteVector h264(bool idr, size_t slice_bytes, size_t sei_bytes = 0, bool recovery = false) {
    ByteVector unit{0, 0, 0, 1, 0x09, 0xf0};
    if (idr) append(unit, {0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0xd9, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80});
    if (recovery) append(unit, {0, 0, 1, 0x06, 0x06, 0x01, 0x84, 0x80});
    if (sei_bytes > 0) {
      append(unit, {0, 0, 1, 0x06, 0x05, 0x10});
      append(unit, ByteVector(sei_bytes, 0x55));
      unit.push_back(0x80);
    }
    append(unit, {0, 0, 1, static_cast<uint8_t>(idr ? 0x65 : 0x41)});
    append(unit, ByteVector(slice_bytes, 0xab));
    return unit;
  }

 private:
  ByteVector section_packets(uint16_t pid, ByteVector section) {
    const uint32_t crc = ts::crc32_mpeg(section);
    for (int shift = 24; shift >= 0; shift -= 8) section.push_back(static_cast<uint8_t>(crc >> shift));
    section.insert(section.begin(), 0);  // The pointer field.
    ByteVector out;
    for (size_t at = 0; at < section.size(); at += 184) {
      ByteVector packet = header(pid, at == 0);
      packet.insert(packet.end(), section.begin() + static_cast<std::ptrdiff_t>(at),
                    section.begin() + static_cast<std::ptrdiff_t>(std::min(at + 184, section.size())));
      append(packet, ByteVector(ts::kPacketBytes - packet.size(), 0xff));
      append(out, packet);
    }
    return out;
  }

  ByteVector packets(uint16_t pid, const ByteVector& unit, bool random_access) {
    ByteVector out;
    size_t at = 0;
    while (at < unit.size()) {
      const bool flagged = at == 0 && random_access;
      ByteVector packet = header(pid, at == 0);
      size_t room = 184 - (flagged ? 2 : 0);
      const size_t take = std::min(room, unit.size() - at);
      const size_t stuffing = room - take;
      if (flagged || stuffing > 0) {
        packet[3] |= 0x20;
        const size_t field = 184 - take - 1;
        packet.push_back(static_cast<uint8_t>(field));
        if (field > 0) packet.push_back(flagged ? 0x40 : 0x00);
        if (field > 1) append(packet, ByteVector(field - 1, 0xff));
      }
      packet.insert(packet.end(), unit.begin() + static_cast<std::ptrdiff_t>(at),
                    unit.begin() + static_cast<std::ptrdiff_t>(at + take));
      append(out, packet);
      at += take;
    }
    return out;
  }

  [[gnu::noinline]] ByteVector header(uint16_t pid, bool start) {
    const uint8_t counter = counters_[pid]++ & 0x0f;
    return {ts::kSyncByte, static_cast<uint8_t>((start ? 0x40 : 0) | (pid >> 8)),
            static_cast<uint8_t>(pid & 0xff), static_cast<uint8_t>(0x10 | counter)};
  }

  std::vector<Stream> streams_;
  std::map<uint16_t, uint8_t> counters_;
};

}  // namespace trickle::testing
