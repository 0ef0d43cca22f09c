// Cuts a transport stream into segments that stand alone: PAT and PMT first, then a random access point.
//
// Bytes go in as they come, in pieces of any size, and go out as they are and at once: nothing is re-timed or
// copied on the way, so the segments put together are the input, but for the PAT and PMT that were inserted
// where the source did not repeat them, and for bytes that were no packets. What is held back is less than
// one packet, and, where a cut is possible, tables until the packet behind them shows, and the head of an
// access unit until its first slice shows what it is; flush() lets go of those.
//
// A stream without PAT and PMT is cut by the flags of the first PES stream in it; its segments can't stand
// alone.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/once_a_second.h"
#include "io/clock.h"
#include "media/ts_access_unit.h"
#include "media/ts_pes.h"
#include "media/ts_psi.h"
#include "trickle/result.h"

namespace trickle {

/// Takes the segments. A failure ends the call of the cutter that made the bytes.
class SegmentSink {
 public:
  virtual ~SegmentSink() = default;
  /// The bytes that follow belong to a new segment; the one before, if any, is complete.
  virtual Result<void> begin_segment() = 0;
  /// The segment in hand is complete, and nothing follows yet. Not called by those who only know that when
  /// the next segment begins.
  virtual Result<void> end_segment() { return {}; }
  /// Valid during the call only.
  virtual Result<void> write(std::span<const uint8_t> bytes) = 0;
};

struct TsCutterOptions {
  /// No segment is shorter, neither by its timestamps nor by the clock on the wall (on average: a keyframe
  /// that comes up to a quarter of this early is taken). Segments that don't begin with a keyframe end at the
  /// first.
  std::chrono::milliseconds min_segment{1000};
  /// From here on a recovery point or CRA will do as well; zero: never.
  std::chrono::milliseconds max_segment{10'000};
};

struct TsCutterTotals {
  uint64_t segments = 0;
  uint64_t skipped_bytes = 0;   ///< Were no part of a packet; not passed on.
  uint64_t inserted_bytes = 0;  ///< PAT and PMT that the source had not put there.
  uint64_t time_jumps = 0;      ///< Timestamps that fell, or rose by more than 10 s.
};

/// Not thread-safe.
class TsCutter {
 public:
  /// The clock must outlive the cutter.
  TsCutter(TsCutterOptions options, const Clock& clock);

  /// Takes the next bytes of the input. \return what the sink failed with.
  Result<void> add(std::span<const uint8_t> bytes, SegmentSink& sink);
  /// Passes on what was held back. Call once, at the end of the input.
  Result<void> finish(SegmentSink& sink);

  [[nodiscard]] const TsCutterTotals& totals() const { return totals_; }
  /// Passes on all whole packets that are held back, and with them the chance to begin a segment there: for
  /// an input that stands still.
  Result<void> flush(SegmentSink& sink);
  /// Whole packets are held back.
  [[nodiscard]] bool holds_packets() const { return held_.size() >= ts::kPacketBytes; }
  /// True once PAT and a PMT have been seen.
  [[nodiscard]] bool has_tables() const { return tables_.usable(); }

 private:
  using RandomAccess = ts::RandomAccess;
  enum class Kind : uint8_t { kUnknown, kTable, kClock, kOther };
  struct OpenPes {
    uint16_t pid;
    size_t remaining_bytes;
    int counter;  ///< Of its newest packet.
  };
  struct Reached {
    bool min;
    bool max;
    bool far_over_max;
  };

  Result<size_t> advance(ts::Bytes view, bool at_end, SegmentSink& sink);
  Result<void> release(size_t end, SegmentSink& sink);
  Result<bool> skip_damage(bool at_end, SegmentSink& sink);
  Result<void> look_at_packet(SegmentSink& sink);
  void look_without_tables(std::span<const uint8_t, ts::kPacketBytes> raw);
  void use_clock_stream(const ts::ElementaryStream& stream);
  void look_at_table(std::span<const uint8_t, ts::kPacketBytes> raw);
  Result<void> look_at_clock_stream(std::span<const uint8_t, ts::kPacketBytes> raw, SegmentSink& sink);
  void look_at_other(std::span<const uint8_t, ts::kPacketBytes> raw);
  RandomAccess begin_unit(const ts::Packet& packet);
  Result<void> decide(RandomAccess verdict, SegmentSink& sink);
  Result<void> cut(SegmentSink& sink);
  Result<void> begin_segment(SegmentSink& sink);
  void use_programs();
  void account_time(const ts::PesHeader& header);
  [[nodiscard]] Reached reached() const;
  [[nodiscard]] bool run_has_all_tables() const;
  void end_run() {
    run_at_.reset();
    run_pids_.clear();
  }

  const TsCutterOptions options_;
  const Clock& clock_;
  TsCutterTotals totals_;
  std::vector<uint8_t> held_;

  ts::ProgramTables tables_;
  std::array<Kind, 8192> kinds_{};
  /// While there are no tables: the first video stream, else the first audio stream, that shows by itself.
  struct Guess {
    ts::ElementaryStream stream;
    std::optional<int64_t> first_time;
  };
  Guess guess_;
  ts::ElementaryStream clock_stream_;  ///< Whose units begin segments: the first video, else the first audio.
  std::vector<OpenPes> open_pes_;      ///< Of the other streams, where their length is known.

  // Offsets count from the first byte of view_, which is the first byte that has not been passed on.
  ts::Bytes view_;                  ///< During add() and finish() only.
  bool in_damage_ = false;          ///< What comes next is no packet until three in a row have shown.
  size_t examined_ = 0;             ///< Packets before this have been looked at.
  std::optional<size_t> run_at_;    ///< An unbroken run of tables, from a PAT on, that ends at examined_.
  std::vector<uint16_t> run_pids_;  ///< Tables that begin in it.
  std::optional<size_t> unit_at_;   ///< An access unit that a segment may have to begin with.
  size_t cut_at_ = 0;               ///< Where that segment would begin: at the unit, or at its tables.
  bool cut_needs_tables_ = false;
  bool max_reached_ = false;    ///< When the unit began.
  bool unit_is_first_ = false;  ///< Nothing of the clock stream comes before it.
  ts::AccessUnitScanner scanner_;

  bool begun_ = false;
  bool has_units_ = false;     ///< The segment in hand has had a unit of the clock stream …
  bool stands_alone_ = false;  ///< … and began with a keyframe.
  bool flags_seen_ = false;    ///< The clock stream marks random access.
  uint64_t segment_bytes_ = 0;
  ts::TimestampUnwrapper unwrapper_;
  std::optional<int64_t> last_time_;
  int64_t last_step_ = 0;
  int64_t segment_ticks_ = 0;  ///< What the segment in hand lasts so far.
  TimePoint segment_begun_at_;
  TimePoint next_cut_at_;  ///< By the clock on the wall.
  OnceASecond skip_reports_;
  OnceASecond jump_reports_;
};

}  // namespace trickle
