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
  TsMuxer(int fd, Counters& counters) : writer_(fd, counters) {}

  /// Adds a track; its parameters are copied. \return its number. kInternal when memory is out.
  Result<size_t> add_track(const AVCodecParameters& parameters);
  /// Call once, after all tracks were added.
  Result<void> open();
  /// Writes one packet, whose times are in `time_base`, and everything it needs. Its fields are changed.
  /// \return kClosed when the reader is gone.
  Result<void> write(size_t track, AVPacket& packet, Rational time_base);
  Result<void> finish();

 private:
  FdWriter writer_;
  OutputContextPtr context_;
  std::vector<std::optional<int64_t>> last_dts_;
};

}  // namespace trickle
