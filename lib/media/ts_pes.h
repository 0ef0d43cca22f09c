// The packetized elementary stream header: where a picture or a run of audio frames begins and when it is due
// (ISO/IEC 13818-1, 2.4.3.6). Pure functions and a small value; any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "media/ts_packet.h"

namespace trickle::ts {

/// Timestamps count at 90 kHz and wrap after 33 bits (26.5 hours).
inline constexpr int64_t kTicksPerSecond = 90'000;
inline constexpr int64_t kTimestampWrap = int64_t{1} << 33;

struct PesHeader {
  uint8_t stream_id = 0;
  /// Bytes of the whole PES packet, header included; 0: not given (allowed for video only).
  size_t packet_bytes = 0;
  size_t header_bytes = 0;      ///< The elementary stream begins after this many.
  bool data_alignment = false;  ///< It begins with a start code or sync word.
  std::optional<int64_t> pts;   ///< 33 bits, in ticks of 1/90,000 s.
  std::optional<int64_t> dts;   ///< The same; where only pts is given, decoding is due then.
  [[nodiscard]] std::optional<int64_t> decode_time() const { return dts ? dts : pts; }
};

/// Parses the header at the start of a payload with payload_unit_start.
/// \return nothing when it is no PES header, or longer than the payload (which real muxers never make).
[[nodiscard]] std::optional<PesHeader> parse_pes_header(Bytes payload);

/// Turns 33-bit timestamps into ones that go on rising over a wrap: each is taken as the value nearest to the
/// one before.
class TimestampUnwrapper {
 public:
  /// \param timestamp 33 bits, ticks. \return ticks, the first one unchanged.
  int64_t unwrap(int64_t timestamp) {
    if (last_) {
      int64_t step = (timestamp - *last_) % kTimestampWrap;
      if (step >= kTimestampWrap / 2) step -= kTimestampWrap;
      if (step < -kTimestampWrap / 2) step += kTimestampWrap;
      timestamp = *last_ + step;
    }
    last_ = timestamp;
    return timestamp;
  }
  /// Forgets what came before.
  void reset() { last_.reset(); }

 private:
  std::optional<int64_t> last_;
};

}  // namespace trickle::ts
