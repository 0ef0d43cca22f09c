// Encoded media as a row of packets, whichever container they come from.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "codec/av_types.h"
#include "codec/fd_avio.h"
#include "media/frame_stream.h"

namespace trickle {

struct DemuxTrack {
  CodecParametersPtr parameters;  ///< Sample rate, size and format may be unknown (0, -1).
  Rational time_base;
  Rational frame_rate;  ///< 0/1: unknown.
  /// Clockwise turn that the picture needs to stand upright: 0, 90, 180 or 270 degrees.
  int rotation = 0;
};

struct DemuxPacket {
  size_t track;
  PacketPtr packet;             ///< Timestamps as in the container (AV_NOPTS_VALUE: none), reference-counted.
  ArrivalTime arrived{};        ///< When its last byte came in.
  bool new_parameters = false;  ///< The track's parameters changed before this packet.
};

/// Belongs to one thread.
class Demuxer {
 public:
  virtual ~Demuxer() = default;
  /// Audio and video tracks; none is added or removed after opening.
  [[nodiscard]] virtual const std::vector<DemuxTrack>& tracks() const = 0;
  /// Bits after which timestamps wrap; 0: never.
  [[nodiscard]] virtual int wrap_bits() const = 0;
  /// How far below zero the earliest timestamp is known to lie.
  [[nodiscard]] virtual double seconds_below_zero() const { return 0; }
  /// Waits for the next packet. \return nullopt at the end of the input or after a stop; kIo.
  virtual Result<std::optional<DemuxPacket>> read() = 0;
  /// True when a read may have to wait for input.
  [[nodiscard]] virtual bool would_wait() const = 0;
  /// True when the input ended in the middle of something.
  [[nodiscard]] virtual bool cut_short() const { return false; }
};

/// Anything that libavformat can demux, probed within bounds.
/// \return kBadData when it can't make sense of it, kCancelled after a stop.
Result<std::unique_ptr<Demuxer>> open_av_demuxer(std::unique_ptr<FdReader> reader);
/// The same over a context that is open already and reads from `reader`.
Result<std::unique_ptr<Demuxer>> wrap_av_demuxer(std::unique_ptr<FdReader> reader, InputContextPtr context);

}  // namespace trickle
