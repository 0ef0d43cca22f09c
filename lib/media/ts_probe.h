// What a transport stream carries: codecs, picture size, frame rate, distance of keyframes. From its tables,
// PES headers and sequence headers; nothing is decoded.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "media/ts_access_unit.h"
#include "media/ts_pes.h"
#include "media/ts_psi.h"
#include "media/video_size.h"

namespace trickle::ts {

struct ProbedStream {
  uint16_t pid = kNullPid;
  Codec codec = Codec::kOther;
  uint64_t units = 0;                   ///< PES packets; for video these are pictures.
  std::optional<VideoSize> size{};      ///< Of video, where its codec is known.
  std::optional<double> fps{};          ///< Of video; nothing before two pictures.
  std::optional<double> gop_seconds{};  ///< Mean distance of keyframes; nothing before two.
};

/// Not thread-safe.
class TsProbe {
 public:
  /// Takes the bytes of one segment after another, in pieces of any size.
  void add(std::span<const uint8_t> bytes);
  /// In the order of the tables; empty while none were seen.
  [[nodiscard]] std::vector<ProbedStream> streams() const;

 private:
  struct Track {
    uint64_t units = 0;
    std::optional<VideoSize> size;
    std::vector<uint8_t> head;  ///< Of the access unit in hand.
    AccessUnitScanner scanner;
    bool judged = true;  ///< Whether that is a keyframe.
    TimestampUnwrapper unwrapper;
    std::optional<int64_t>
        newest;  ///< Its timestamp. What follows counts from 0, without the jumps of those.
    int64_t elapsed = 0;
    std::optional<int64_t> first, last;
    std::optional<int64_t> first_key, last_key;
    uint64_t keyframes = 0;
  };
  void look_at(const Packet& packet, Codec codec);
  void begin_unit(Track& track, const Packet& packet, Codec codec);
  static void add_to_unit(Track& track, Bytes bytes, Codec codec);

  std::vector<uint8_t> pending_;
  ProgramTables tables_;
  std::map<uint16_t, Track> tracks_;
};

}  // namespace trickle::ts
