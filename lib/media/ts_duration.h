// From when until when a piece of a transport stream lasts, by the timestamps in it. For playlists.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "media/ts_pes.h"
#include "media/ts_psi.h"

namespace trickle::ts {

struct TimeSpan {
  int64_t begin = 0;  ///< First presentation time, in ticks of 1/90,000 s, 33 bits.
  int64_t end = 0;    ///< When what follows is due: the last time and one frame more. Not below begin.
  /// Of all programs, as far as there are tables: another list is another kind of stream.
  std::vector<ElementaryStream> streams;
};

/// From the end of one span to the begin of another, over a wrap of the 33 bits; negative for an overlap.
[[nodiscard]] int64_t gap_between(const TimeSpan& before, const TimeSpan& after);

/// Looks at every packet of one piece. Times are those of its video, and of its sound where there is none.
/// Not thread-safe.
class DurationScanner {
 public:
  /// Takes the next bytes, in pieces of any size; what is no packet is passed over.
  void add(Bytes bytes);
  /// What follows does not follow directly: something in between, of no interest, was left out.
  void skip();
  /// \return nothing when no timestamp was found: it is no transport stream, or an odd one.
  [[nodiscard]] std::optional<TimeSpan> result() const;

 private:
  struct Times {
    bool video = false;
    TimestampUnwrapper unwrapper;
    int64_t least = 0;
    int64_t greatest = 0;
    int64_t count = 0;
    int64_t frame = 0;  ///< How long one lasts, once something was skipped: by then they can't be counted.
  };
  static int64_t frame_of(const Times& times);
  /// \return how many bytes it is done with.
  size_t scan(Bytes bytes);
  void look_at(const uint8_t* packet);

  std::vector<uint8_t> held_;  ///< Less than is needed to tell.
  ProgramTables tables_;
  std::map<uint16_t, Times> times_;  ///< By PID.
};

}  // namespace trickle::ts
