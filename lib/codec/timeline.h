// The source's timestamps as a line that only rises: wraps undone, jumps back bridged. Pure arithmetic.
//
// Packets pass through an Unwrapper before they are decoded (in decoding order), what comes out of the
// decoder through a RisingTimeline (in presentation order, one call for each frame or audio packet).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "trickle/frame.h"

namespace trickle {

/// Undoes the wrap of counters of `wrap_bits` bits. All tracks of a source share one, so that tracks which
/// begin on different sides of a wrap come out on the same side.
class Unwrapper {
 public:
  /// \param lift_ticks90k added to everything: for sources known to start below zero.
  explicit Unwrapper(int wrap_bits, int64_t lift_ticks90k = 0);

  /// The value nearest to the one before (of any track) that has the same low bits. Where the first one is so
  /// close to zero that something after it could precede zero, all come out one wrap higher.
  [[nodiscard]] int64_t unwrap(int64_t ticks, Rational time_base);

 private:
  int wrap_bits_;
  int64_t lift_;                        // In 1/90000 s.
  std::optional<double> last_seconds_;  // Of the newest value that was unwrapped, without the lift.
};

/// What a timestamp became.
struct Placed {
  int64_t ticks;
  bool new_gap = false;  ///< The line jumped back here, and was continued by an offset.
};

class RisingTimeline {
 public:
  /// \return the number to call the track by, counted from zero.
  int add_track(Rational time_base);

  /// Gives `ticks` its place after everything that the track had before. \return nothing for a place below
  /// zero.
  std::optional<Placed> place(int track, int64_t ticks, int64_t duration_ticks);

 private:
  struct Track {
    Rational time_base;
    int64_t offset90k = 0;
    std::optional<int64_t> last;  // As given out.
    bool catching_up = false;     // It followed a jump, and may overlap itself for a moment.
  };
  [[nodiscard]] int64_t shifted(const Track& track, int64_t ticks, int64_t offset90k) const;

  std::vector<Track> tracks_;
  int64_t offset90k_ = 0;  // The newest one; a track takes it up when its own jump comes.
  int64_t end90k_ = 0;     // Where the furthest track ends.
};

}  // namespace trickle
