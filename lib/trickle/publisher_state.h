// The rules of a publisher, without network, threads or time of its own: which requests should be open, what
// their answers mean, what is given up, and how much may be in flight.
//
// Segments go through it in order: the writer begins, fills and ends them; the sender asks what to do, reads
// their bytes and reports what came of it. Not thread-safe: the owner locks.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/counters.h"
#include "io/clock.h"
#include "trickle/publisher.h"
#include "trickle/wire.h"

namespace trickle {

class PublisherState {
 public:
  enum class Room { kYes, kWait, kFail };
  using SegmentId = uint64_t;  ///< Counts segments from 0; their numbers are the server's business.

  /// A request without a streamed body; one at a time.
  struct Control {
    enum class Kind { kCreate, kNext, kDeleteSegment, kDeleteChannel };
    Kind kind;
    int64_t number = -1;  ///< kDeleteSegment only.
  };
  struct Post {
    SegmentId id;
    int64_t number;
    int attempt;  ///< Another one than that of an open POST: that one is to be closed first.
    bool reset;   ///< Send Lp-Trickle-Reset.
  };

  PublisherState(const PublisherOptions& options, std::string display_url, const Clock& clock);

  // The writer's side.
  /// Whether a segment may begin, or `bytes` more be taken, as OnLag says; kDrop makes room by itself.
  Room room_for_segment();
  Room room_for_bytes(size_t bytes);
  void begin_segment();
  void append(std::span<const std::byte> bytes);
  void end_segment();
  /// No more segments will come.
  void close();
  /// Nothing is retried without end from now on.
  void hurry();
  /// Ends it with kCancelled; what is not acknowledged is lost.
  void give_up();
  [[nodiscard]] bool has_open_segment() const { return open_; }

  // The sender's side.
  /// Applies what is due by time. Call before the functions below.
  void tick();
  /// The control request that should be sent now; the same until it was answered or failed.
  [[nodiscard]] std::optional<Control> control() const;
  void on_control_answer(const Answer& answer, std::string_view body);
  void on_control_failure(const Error& error, bool retryable);
  /// The POSTs that should be open now: those waiting for their status, the one that sends, the next one
  /// ahead.
  [[nodiscard]] std::vector<Post> posts();
  /// False once a segment is acknowledged or given up: its POST is to be closed.
  [[nodiscard]] bool is_wanted(SegmentId id) const { return find(id) != nullptr; }
  /// Takes bytes of a segment for its POST, as UploadSource::read.
  size_t read(SegmentId id, std::span<std::byte> buffer);
  [[nodiscard]] bool has_bytes_for(SegmentId id) const;
  void on_post_answer(SegmentId id, const Answer& answer);
  void on_post_failure(SegmentId id, const Error& error, bool retryable);
  /// When tick() has something to do next.
  [[nodiscard]] std::optional<TimePoint> deadline() const;

  /// True when there is nothing left to do, or error() says why not.
  [[nodiscard]] bool finished() const;
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] PublisherTotals totals() const;
  [[nodiscard]] size_t buffered_bytes() const { return buffered_bytes_; }
  /// Segments that were begun and are neither acknowledged nor lost.
  [[nodiscard]] size_t in_flight() const;

 private:
  enum class Phase { kCreate, kNext, kRun, kDelete, kDone };

  struct Segment {
    SegmentId id = 0;
    bool begun = false;  ///< By the writer; the last one never is: its POST is connected ahead of it.
    int attempt = 0;
    std::optional<int64_t> number;  ///< Reserved when its POST is first opened.
    std::deque<std::vector<std::byte>> chunks;
    size_t chunk_offset = 0;
    uint64_t accepted_bytes = 0;
    uint64_t sent_bytes = 0;
    bool ended = false;         ///< By the writer.
    bool body_sent = false;     ///< To its end.
    TimePoint first_sent_at{};  ///< Its first byte, or its end.
    TimePoint retry_at{};
    TimePoint waiting_since{};  ///< Bytes, or the status, have been waited for since.
    [[nodiscard]] uint64_t unsent_bytes() const { return accepted_bytes - sent_bytes; }
  };

  [[nodiscard]] Segment* find(SegmentId id);
  [[nodiscard]] const Segment* find(SegmentId id) const;
  [[nodiscard]] const Segment* sending() const;
  [[nodiscard]] Segment* open_segment();
  /// Until when the segment that sends next gives way to the one before; nothing when there is none to wait
  /// for.
  [[nodiscard]] std::optional<TimePoint> in_order_at() const;
  void add_segment_ahead();
  void repeat(Segment& segment, Duration delay);
  void acknowledge(const Segment& segment);
  void lose(const Segment& segment, Drop cause, std::string_view why);
  void remove(SegmentId id);
  bool make_room();
  void count_lost_bytes(uint64_t bytes, Drop cause, bool whole_segment);
  void on_server_seen() {
    down_since_.reset();
    down_told_ = false;
  }
  void on_server_missing(const Error& error, bool quiet);
  void fail(Error error);
  void next_phase();
  [[nodiscard]] bool retries_for_ever() const { return !options_.connection.retries && !hurry_; }

  const PublisherOptions options_;
  const std::string display_url_;
  const Clock& clock_;

  Phase phase_ = Phase::kCreate;
  TimePoint control_not_before_{};
  TimePoint last_begun_at_{};
  int control_failures_ = 0;
  int unused_numbers_ = 0;  ///< In a row, that the server had closed before they were begun.
  std::deque<int64_t> deletes_;
  std::deque<Segment> segments_;
  SegmentId next_id_ = 0;
  int64_t next_number_ = 0;
  bool reset_pending_ = true;
  bool closed_ = false;
  bool hurry_ = false;
  bool open_ = false;  ///< The writer is inside a segment: the last one begun, or one that was lost already.
  std::optional<SegmentId> open_id_;
  size_t buffered_bytes_ = 0;
  std::optional<TimePoint> down_since_;
  bool down_told_ = false;  ///< Whether a warning has said so.
  std::optional<Error> last_failure_;
  std::optional<Error> error_;
  PublisherTotals totals_;
};

}  // namespace trickle
