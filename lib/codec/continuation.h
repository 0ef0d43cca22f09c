// Timestamps that go on where those of an earlier process stopped: what one run of an encoder leaves behind,
// and how the next one, whatever its source does meanwhile, never goes back behind it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/counters.h"
#include "io/unique_fd.h"
#include "media/frame_stream.h"

namespace trickle {

/// What is remembered, in 1/90000 s; all zero: nothing yet.
struct TimelineRecord {
  static constexpr size_t kTracks = 8;  ///< Track 0 is the picture; sound beyond these has no memory.
  int64_t offset = 0;                   ///< Added to the source's timestamps.
  int64_t known = 0;                    ///< One bit for each track that has an end.
  std::array<int64_t, kTracks> ends{};  ///< The first time that each track has not reached.
};

/// Pure arithmetic. Times that differ by whole turns of 33 bits are the same to every reader of MPEG-TS, so
/// the turn that lies closest to what was before is taken; a clock that jumped back by more than a second
/// gets an offset; less is an overlap, which is left out.
class Continuation {
 public:
  explicit Continuation(const TimelineRecord& before) : record_(before), before_(before) {}

  /// The place of what begins at `ticks90k` of the source. \return nothing for what lies in the overlap.
  std::optional<int64_t> place(size_t track, int64_t ticks90k);
  /// What was placed ends there.
  void note(size_t track, int64_t end90k);

  [[nodiscard]] const TimelineRecord& record() const { return record_; }
  /// Whether the clock had jumped back when the first item came.
  [[nodiscard]] bool jumped() const { return jumped_; }

 private:
  void join(int64_t ticks90k, size_t track);

  TimelineRecord record_;
  const TimelineRecord before_;
  std::array<bool, TimelineRecord::kTracks> caught_up_{};
  bool joined_ = false;
  bool jumped_ = false;
};

/// Passes on what `source` gives, placed by a Continuation of the record in `file`, which is read with the
/// first item and written with each. What is left out is counted as Drop::kTimestamp.
std::unique_ptr<FrameSource> continue_timeline(std::unique_ptr<FrameSource> source, UniqueFd file,
                                               Counters& counters);

}  // namespace trickle
