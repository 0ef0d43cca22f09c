// Where each item of a source stands on its time line; what finds no place is counted and said.
#pragma once

#include <optional>

#include "base/counters.h"
#include "codec/loss_log.h"
#include "codec/timeline.h"

namespace trickle {

/// Shared by a source's tracks. Belongs to one thread.
class Placer {
 public:
  /// \param counters must outlive this.
  explicit Placer(Counters& counters) : counters_(counters) {}

  int add_track(Rational time_base) { return timeline_.add_track(time_base); }
  /// \param what the item, as in "no place for a picture". \return its ticks; nothing: it was dropped.
  std::optional<int64_t> place(int track, int64_t ticks, int64_t duration_ticks, const char* what) {
    const std::optional<Placed> placed = timeline_.place(track, ticks, duration_ticks);
    if (!placed) {
      lose(fmt::format("no place for {} on the time line", what));
      return std::nullopt;
    }
    if (placed->new_gap) {
      counters_.gaps.fetch_add(1, std::memory_order_relaxed);
      log::info("timestamps jumped back ({}): they go on rising from where they were", what);
    }
    return placed->ticks;
  }
  /// Counts an item that has no usable time.
  void lose(std::string_view why) {
    counters_.drop(Drop::kTimestamp);
    lost_.add(why);
  }
  /// Reports what was held back. Call at the end of the stream.
  void finish() { lost_.finish(); }

 private:
  Counters& counters_;
  RisingTimeline timeline_;
  LossLog lost_{"items without a usable timestamp"};
};

}  // namespace trickle
