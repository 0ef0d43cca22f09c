#include "media/ts_cutter.h"

#include <algorithm>

#include "base/log.h"
#include "base/try.h"
#include "media/ts_resync.h"

namespace trickle {
namespace {

using std::chrono::microseconds;
using ts::Bytes;
using ts::kPacketBytes;
using ts::RandomAccess;

// A keyframe that comes this much early by its timestamps is taken: containers round to milliseconds.
constexpr microseconds kMediaTolerance{20'000};
constexpr int64_t kMaxStepTicks = 10 * ts::kTicksPerSecond;
// Input that comes faster than it plays is cut by size, too, so that no server is asked to hold all of it.
constexpr uint64_t kLargeSegmentBytes = 32 * 1024 * 1024;

// Tables are held back no longer than this when nothing but padding follows them.
constexpr size_t kMaxRunBytes = 32 * kPacketBytes;

std::span<const uint8_t, kPacketBytes> packet_at(Bytes view, size_t at) {
  return view.subspan(at).first<kPacketBytes>();
}

}  // namespace

TsCutter::TsCutter(TsCutterOptions options, const Clock& clock) : options_(options), clock_(clock) {
  kinds_[ts::kPatPid] = Kind::kTable;
}

Result<void> TsCutter::add(Bytes bytes, SegmentSink& sink) {
  // What is held back is joined packet by packet with what follows, until the input itself can be used again.
  while (!held_.empty() && !bytes.empty()) {
    const size_t step = std::min(bytes.size(), kPacketBytes - held_.size() % kPacketBytes);
    held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(step));
    bytes = bytes.subspan(step);
    TRICKLE_TRY_ASSIGN(const size_t released, advance(held_, false, sink));
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(released));
  }
  if (bytes.empty()) return {};
  TRICKLE_TRY_ASSIGN(const size_t released, advance(bytes, false, sink));
  held_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(released), bytes.end());
  return {};
}

Result<void> TsCutter::finish(SegmentSink& sink) {
  TRICKLE_TRY_ASSIGN(const size_t released, advance(held_, true, sink));
  const Bytes rest = Bytes(held_).subspan(released);
  if (!rest.empty()) {
    TRICKLE_TRY(begin_segment(sink));
    TRICKLE_TRY(sink.write(rest));
  }
  held_.clear();
  if (totals_.segments > 0 && !has_tables()) {
    log::warning("the input has no PAT and PMT: its segments don't stand alone");
  }
  return {};
}

Result<void> TsCutter::flush(SegmentSink& sink) {
  unit_at_.reset();
  end_run();
  view_ = held_;
  const size_t end = examined_;
  TRICKLE_TRY(release(end, sink));
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(end));
  return {};
}

// `view` begins with the first byte that has not been passed on. \return how many of its bytes have been now.
Result<size_t> TsCutter::advance(Bytes view, bool at_end, SegmentSink& sink) {
  view_ = view;
  while (examined_ < view_.size()) {
    if (in_damage_ || view_[examined_] != ts::kSyncByte) {
      TRICKLE_TRY_ASSIGN(const bool found, skip_damage(at_end, sink));
      if (!found) break;
    } else if (view_.size() - examined_ >= kPacketBytes) {
      TRICKLE_TRY(look_at_packet(sink));
    } else {
      break;
    }
  }
  TRICKLE_TRY(release(
      at_end ? examined_ : std::min(run_at_.value_or(examined_), unit_at_ ? cut_at_ : examined_), sink));
  return view.size() - view_.size();
}

// Passes on the first `end` bytes.
Result<void> TsCutter::release(size_t end, SegmentSink& sink) {
  if (end == 0) return {};
  TRICKLE_TRY(begin_segment(sink));
  TRICKLE_TRY(sink.write(view_.first(end)));
  segment_bytes_ += end;
  view_ = view_.subspan(end);
  examined_ -= end;
  if (run_at_) *run_at_ -= std::min(end, *run_at_);
  if (unit_at_) {
    *unit_at_ -= std::min(end, *unit_at_);
    cut_at_ -= std::min(end, cut_at_);
  }
  return {};
}

Result<void> TsCutter::begin_segment(SegmentSink& sink) {
  if (begun_) return {};
  begun_ = true;
  segment_begun_at_ = clock_.now();
  next_cut_at_ = segment_begun_at_ + options_.min_segment;
  ++totals_.segments;
  return sink.begin_segment();
}

// What surrounds the damage goes out, the damage itself does not. \return false when more bytes are needed to
// see where it ends.
Result<bool> TsCutter::skip_damage(bool at_end, SegmentSink& sink) {
  unit_at_.reset();
  end_run();
  TRICKLE_TRY(release(examined_, sink));
  const auto skip = ts::find_sync(view_, at_end, !in_damage_);
  if (!skip) return false;
  in_damage_ = *skip == view_.size();  // It goes on in what comes next.
  totals_.skipped_bytes += *skip;
  if (const auto skipped = skip_reports_.add(clock_.now(), *skip)) {
    log::warning("skipped {} bytes of the input that are no transport stream packets", *skipped);
  }
  view_ = view_.subspan(*skip);
  return true;
}

Result<void> TsCutter::look_at_packet(SegmentSink& sink) {
  TRICKLE_TRY(begin_segment(sink));
  const auto raw = packet_at(view_, examined_);
  const uint16_t pid = ts::pid_of(raw.data());
  switch (kinds_[pid]) {
    case Kind::kClock:
      TRICKLE_TRY(look_at_clock_stream(raw, sink));
      break;
    case Kind::kTable:
      look_at_table(raw);
      break;
    case Kind::kOther:
      look_at_other(raw);
      break;
    case Kind::kUnknown:
      if (!has_tables()) look_without_tables(raw);
      break;
  }
  examined_ += kPacketBytes;
  if (run_at_ && examined_ - *run_at_ > kMaxRunBytes) end_run();
  return {};
}

Result<void> TsCutter::look_at_clock_stream(std::span<const uint8_t, kPacketBytes> raw, SegmentSink& sink) {
  RandomAccess verdict = RandomAccess::kUndecided;
  if (ts::unit_start_of(raw.data())) {
    unit_at_.reset();  // One that never showed a slice is none to begin with.
    if (const auto packet = ts::parse_packet(raw)) verdict = begin_unit(*packet);
    end_run();
  } else if (unit_at_) {
    if (const auto packet = ts::parse_packet(raw)) verdict = scanner_.add(packet->payload);
  } else {
    end_run();
  }
  if (!unit_at_ || verdict == RandomAccess::kUndecided) return {};
  return decide(verdict, sink);
}

// A unit of the clock stream begins at examined_: sets unit_at_ if a segment may begin with it.
RandomAccess TsCutter::begin_unit(const ts::Packet& packet) {
  const auto header = ts::parse_pes_header(packet.payload);
  if (!header) return RandomAccess::kUndecided;
  account_time(*header);
  const Reached now = reached();
  const bool splits_other = !open_pes_.empty() && !now.far_over_max;
  const bool first = !has_units_;
  has_units_ = true;
  if (!first && (splits_other || !(now.min || now.max || !stands_alone_))) return RandomAccess::kUndecided;
  unit_at_ = examined_;
  unit_is_first_ = first;
  max_reached_ = now.max;
  cut_needs_tables_ = !(run_at_ && run_has_all_tables());
  cut_at_ = cut_needs_tables_ ? examined_ : *run_at_;
  if (!ts::is_video(clock_stream_.codec)) return RandomAccess::kKeyframe;
  if (packet.scrambled || !ts::can_scan(clock_stream_.codec)) {
    flags_seen_ = flags_seen_ || packet.random_access;
    if (packet.random_access) return RandomAccess::kKeyframe;
    return flags_seen_ ? RandomAccess::kNone : RandomAccess::kRecovery;  // Nothing better is known.
  }
  scanner_.reset(clock_stream_.codec);
  return scanner_.add(packet.payload.subspan(header->header_bytes));
}

Result<void> TsCutter::decide(RandomAccess verdict, SegmentSink& sink) {
  const bool good =
      verdict == RandomAccess::kKeyframe || (verdict == RandomAccess::kRecovery && max_reached_);
  if (good && !unit_is_first_) {
    TRICKLE_TRY(cut(sink));
  }
  if (good) stands_alone_ = true;
  unit_at_.reset();
  return {};
}

Result<void> TsCutter::cut(SegmentSink& sink) {
  TRICKLE_TRY(release(cut_at_, sink));
  const TimePoint now = clock_.now();
  // On average, so that a source that is a little early now and then isn't cut at every other keyframe only.
  next_cut_at_ = std::max(next_cut_at_, now) + options_.min_segment;
  segment_begun_at_ = now;
  segment_ticks_ = 0;
  segment_bytes_ = 0;
  ++totals_.segments;
  TRICKLE_TRY(sink.begin_segment());
  if (!cut_needs_tables_) return {};
  const std::vector<uint8_t> tables = tables_.packets();
  totals_.inserted_bytes += tables.size();
  return tables.empty() ? Result<void>() : sink.write(tables);
}

void TsCutter::account_time(const ts::PesHeader& header) {
  const auto raw_time = header.decode_time();
  if (!raw_time) return;
  const int64_t time = unwrapper_.unwrap(*raw_time);
  const int64_t step = last_time_ ? time - *last_time_ : 0;
  last_time_ = time;
  if (step >= 0 && step <= kMaxStepTicks) {
    last_step_ = step;
    segment_ticks_ += step;
    return;
  }
  segment_ticks_ += last_step_;  // Whatever the numbers say, the picture before lasted as long as others do.
  ++totals_.time_jumps;
  if (jump_reports_.add(clock_.now())) {
    log::info("the timestamps of the input jump by {:.3f} s",
              static_cast<double>(step) / ts::kTicksPerSecond);
  }
}

TsCutter::Reached TsCutter::reached() const {
  const TimePoint now = clock_.now();
  const auto on_wall = std::chrono::duration_cast<microseconds>(now - segment_begun_at_);
  const microseconds media =
      last_time_ ? microseconds(segment_ticks_ * 1'000'000 / ts::kTicksPerSecond) : on_wall;
  const bool wall_ok =
      now >= next_cut_at_ - options_.min_segment / 4 || segment_bytes_ + examined_ >= kLargeSegmentBytes;
  const bool limited = options_.max_segment.count() > 0;
  const microseconds max = options_.max_segment;
  return {.min = wall_ok && media + kMediaTolerance >= options_.min_segment,
          .max = wall_ok && limited && media >= max,
          .far_over_max = limited && media >= 2 * max};
}

}  // namespace trickle
