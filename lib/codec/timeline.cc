#include "codec/timeline.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "codec/convert.h"

namespace trickle {
namespace {

constexpr Rational kTicks90k{1, 90000};
// Clocks of transport and program streams run on from wherever they are; other containers begin at zero or
// say where.
constexpr int kTransportBits = 33;
// A track that starts within this of zero may have company that starts before zero (sound before the picture,
// decoding before presentation).
constexpr double kCompanySeconds = 1.0;
// What falls back by less is a source's rounding or a doubled frame, even where a jump is under way.
constexpr double kJitterSeconds = 0.04;
// What falls back by less is no other time line; and how much of a track may overlap, after a jump, what it
// had before the jump.
constexpr double kOverlapSeconds = 1.0;

}  // namespace

Unwrapper::Unwrapper(int wrap_bits, int64_t lift_ticks90k) : wrap_bits_(wrap_bits), lift_(lift_ticks90k) {}

int64_t Unwrapper::unwrap(int64_t ticks, Rational time_base) {
  if (wrap_bits_ > 0 && wrap_bits_ < 63) {
    const int64_t wrap = int64_t{1} << wrap_bits_;
    if (!last_seconds_) {
      last_seconds_ = static_cast<double>(ticks) * time_base.to_double();
      if (wrap_bits_ == kTransportBits && *last_seconds_ < kCompanySeconds)
        lift_ += rescale(wrap, time_base, kTicks90k);
    }
    const double turns =
        (*last_seconds_ / time_base.to_double() - static_cast<double>(ticks)) / static_cast<double>(wrap);
    ticks += static_cast<int64_t>(std::llround(turns)) * wrap;
    last_seconds_ = static_cast<double>(ticks) * time_base.to_double();
  }
  return ticks + rescale(lift_, kTicks90k, time_base);
}

int RisingTimeline::add_track(Rational time_base) {
  Track track;
  track.time_base = time_base;
  tracks_.push_back(track);
  return static_cast<int>(tracks_.size()) - 1;
}

int64_t RisingTimeline::shifted(const Track& track, int64_t ticks, int64_t offset90k) const {
  return ticks + rescale(offset90k, kTicks90k, track.time_base);
}

std::optional<Placed> RisingTimeline::place(int track_number, int64_t ticks, int64_t duration_ticks) {
  Track& track = tracks_[static_cast<size_t>(track_number)];
  int64_t place = shifted(track, ticks, track.offset90k);
  const auto overlap = static_cast<int64_t>(kOverlapSeconds / track.time_base.to_double());

  if (track.offset90k != offset90k_) {
    // Another track has jumped already. This one still is where it was, or has followed: whichever is closer.
    const int64_t end = rescale(end90k_, kTicks90k, track.time_base);
    const int64_t followed = shifted(track, ticks, offset90k_);
    if (std::llabs(followed - end) < std::llabs(place - end) &&
        (!track.last || followed > *track.last - overlap)) {
      track.offset90k = offset90k_;
      track.catching_up = true;
      place = followed;
    }
  }
  bool new_gap = false;
  if (track.last && place <= *track.last) {
    const auto jitter = static_cast<int64_t>(kJitterSeconds / track.time_base.to_double());
    const int64_t back = *track.last - place;
    if (track.catching_up && back > jitter && back <= overlap) return std::nullopt;
    if (back <= overlap) {
      // A doubled frame, or a damaged time before or here: the line itself has not moved.
      place = *track.last + 1;
    } else {
      const int64_t end = std::max(rescale(end90k_, kTicks90k, track.time_base), *track.last + 1);
      offset90k_ = track.offset90k = rescale(end - ticks, track.time_base, kTicks90k);
      place = std::max(shifted(track, ticks, offset90k_), *track.last + 1);
      new_gap = true;
    }
  } else {
    track.catching_up = false;
  }
  if (place < 0) return std::nullopt;
  track.last = place;
  end90k_ =
      std::max(end90k_, rescale(place + std::max<int64_t>(duration_ticks, 1), track.time_base, kTicks90k));
  return Placed{place, new_gap};
}

}  // namespace trickle
