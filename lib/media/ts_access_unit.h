// Is this access unit a random access point? Answered by what it contains: the NAL types or picture type of
// its head. The transport stream's random_access_indicator is set on too much to be relied on (open GOPs,
// intra refresh, CRA), and by some muxers never.
//
// H.264: ISO/IEC 14496-10, table 7-1. HEVC: ISO/IEC 23008-2, table 7-1. MPEG-2 video: ISO/IEC 13818-2, 6.2.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "media/ts_psi.h"

namespace trickle::ts {

enum class RandomAccess : uint8_t {
  kUndecided,  ///< The first slice has not been seen yet: more bytes are needed.
  kNone,       ///< Depends on pictures before it.
  kRecovery,   ///< Decodable soon: recovery point, CRA, open GOP. Good enough where nothing better comes.
  kKeyframe,   ///< Decoding can begin here: IDR, BLA, or a sequence header with an I picture.
};

/// True when scan results of this codec mean something; for others only the flag is known.
[[nodiscard]] bool can_scan(Codec codec);

/// Looks at the head of one access unit as its bytes arrive. Not thread-safe.
class AccessUnitScanner {
 public:
  /// Begins a new access unit.
  void reset(Codec codec);
  /// Takes the next bytes of the elementary stream; they are copied until the verdict is there (a few
  /// packets).
  RandomAccess add(std::span<const uint8_t> bytes);
  /// What is known so far.
  [[nodiscard]] RandomAccess verdict() const { return verdict_; }

 private:
  bool look_at_unit(size_t at);
  bool look_at_h264(size_t at);
  bool look_at_hevc(size_t at);
  bool look_at_mpeg2(size_t at);
  [[nodiscard]] bool has_recovery_message(size_t payload_at) const;

  Codec codec_ = Codec::kOther;
  RandomAccess verdict_ = RandomAccess::kUndecided;
  std::vector<uint8_t> head_;
  size_t scanned_ = 0;  ///< Start codes before this are dealt with.
  bool recovery_ = false;
  bool sequence_ = false;
};

}  // namespace trickle::ts
