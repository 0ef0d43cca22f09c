// MPEG-TS out of packets, by libavformat's muxer: unshifted times, tables before keyframes, nothing held
// back.
#pragma once

#include <optional>
#include <vector>

#include "base/counters.h"
#include "codec/av_types.h"
#include "codec/fd_avio.h"

namespace trickle {

/// Belongs to one thread.
class TsMuxer {
 public:
  TsMuxer(int fd, Counters& counters);

  /// Adds a track; its parameters are copied. \return its number. kInternal when memory is out.
  Result<size_t> add_track(const AVCodecParameters& parameters);
  /// Call once, after all tracks were added.
  Result<void> open();
  /// Writes one packet, whose times are in `time_base`, and everything it needs. Its fields are changed.
  /// \return kClosed when the reader is gone, kBadData for a packet that was damaged: go on with the next.
  Result<void> write(size_t track, AVPacket& packet, Rational time_base);
  Result<void> finish();

 private:
  void note_counters(std::span<const std::byte> bytes);
  Result<void> keep_clock_running(int64_t until);

  FdWriter writer_;
  OutputContextPtr context_;
  std::vector<std::optional<int64_t>> last_dts_;
  std::optional<size_t> clock_track_;   // Carries the program clock: the first with video.
  uint8_t clock_counter_ = 0;           // Continuity counter of its last packet.
  std::optional<int64_t> clock_ticks_;  // What its last clock reference said, in 1/90000 s.
};

}  // namespace trickle
