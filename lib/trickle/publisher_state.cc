#include "trickle/publisher_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/log.h"
#include "trickle/answer.h"

namespace trickle {
namespace {

constexpr size_t kMaxInFlight = 3;
constexpr std::ptrdiff_t kMaxUnanswered = 3;
constexpr size_t kChunkBytes = 64 * 1024;

}  // namespace

PublisherState::PublisherState(const PublisherOptions& options, std::string display_url, const Clock& clock)
    : options_(options), display_url_(std::move(display_url)), clock_(clock) {
  add_segment_ahead();
}

const PublisherState::Segment* PublisherState::find(SegmentId id) const {
  const auto found = std::find_if(segments_.begin(), segments_.end(),
                                  [id](const Segment& segment) { return segment.id == id; });
  return found == segments_.end() ? nullptr : &*found;
}

PublisherState::Segment* PublisherState::find(SegmentId id) {
  return const_cast<Segment*>(static_cast<const PublisherState*>(this)->find(id));
}

// The segment that carries data: one at a time, in order; none while too many wait for their status, for the
// sockets of a server that stands still would take any number of small ones.
const PublisherState::Segment* PublisherState::sending() const {
  const auto found = std::find_if(segments_.begin(), segments_.end(),
                                  [](const Segment& segment) { return !segment.body_sent; });
  if (found == segments_.end() || found - segments_.begin() >= kMaxUnanswered) return nullptr;
  return &*found;
}

PublisherState::Segment* PublisherState::open_segment() { return open_id_ ? find(*open_id_) : nullptr; }

void PublisherState::add_segment_ahead() {
  Segment ahead;
  ahead.id = next_id_++;
  segments_.push_back(std::move(ahead));
}

size_t PublisherState::in_flight() const {
  return static_cast<size_t>(std::count_if(segments_.begin(), segments_.end(),
                                           [](const Segment& segment) { return segment.begun; }));
}

// The writer's side

PublisherState::Room PublisherState::room_for_segment() {
  if (in_flight() <= kMaxInFlight) return Room::kYes;
  switch (options_.on_lag) {
    case OnLag::kBlock:
      return Room::kWait;
    case OnLag::kFail:
      fail({ErrorKind::kIo,
            fmt::format("{} is too slow: {} segments are on their way", display_url_, in_flight())});
      return Room::kFail;
    case OnLag::kDrop:
      break;
  }
  const auto unsent = std::find_if(segments_.begin(), segments_.end(), [](const Segment& segment) {
    return segment.begun && segment.sent_bytes == 0 && !segment.body_sent;
  });
  if (unsent != segments_.end()) lose(*unsent, Drop::kLag, "the server is too slow");
  return Room::kYes;
}

PublisherState::Room PublisherState::room_for_bytes(size_t bytes) {
  while (buffered_bytes_ > 0 && buffered_bytes_ + bytes > options_.buffer_bytes) {
    switch (options_.on_lag) {
      case OnLag::kBlock:
        return Room::kWait;
      case OnLag::kFail:
        fail({ErrorKind::kIo, fmt::format("{} is too slow: the buffer of {} bytes is full", display_url_,
                                          options_.buffer_bytes)});
        return Room::kFail;
      case OnLag::kDrop:
        if (!make_room()) return Room::kYes;
        break;
    }
  }
  return Room::kYes;
}

// Gives up the oldest segment of which nothing was sent, else the rest of the one that is being sent.
bool PublisherState::make_room() {
  const Segment* victim = nullptr;
  for (const Segment& segment : segments_) {
    if (!segment.begun || segment.unsent_bytes() == 0) continue;
    if (victim == nullptr || (victim->sent_bytes > 0 && segment.sent_bytes == 0)) victim = &segment;
  }
  if (victim == nullptr) return false;
  lose(*victim, Drop::kLag, "the server is too slow");
  return true;
}

void PublisherState::begin_segment() {
  if (open_) end_segment();
  Segment& segment = segments_.back();
  segment.begun = true;
  last_begun_at_ = clock_.now();
  open_ = true;
  open_id_ = segment.id;
  add_segment_ahead();
}

void PublisherState::append(std::span<const std::byte> bytes) {
  totals_.accepted_bytes += bytes.size();
  if (options_.counters != nullptr) options_.counters->bytes_in += bytes.size();
  Segment* segment = open_segment();
  if (segment == nullptr || error_) return count_lost_bytes(bytes.size(), Drop::kFailed, false);
  if (segment->unsent_bytes() == 0) segment->waiting_since = clock_.now();
  segment->accepted_bytes += bytes.size();
  buffered_bytes_ += bytes.size();
  while (!bytes.empty()) {
    if (segment->chunks.empty() || segment->chunks.back().size() >= kChunkBytes) {
      segment->chunks.emplace_back();
      segment->chunks.back().reserve(std::min(std::max(bytes.size(), size_t{4096}), kChunkBytes));
    }
    auto& chunk = segment->chunks.back();
    const size_t step = std::min(bytes.size(), kChunkBytes - chunk.size());
    chunk.insert(chunk.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(step));
    bytes = bytes.subspan(step);
  }
}

void PublisherState::end_segment() {
  if (Segment* segment = open_segment()) {
    segment->ended = true;
    if (segment->unsent_bytes() == 0) segment->waiting_since = clock_.now();
  }
  open_ = false;
  open_id_.reset();
}

void PublisherState::close() {
  if (open_) end_segment();
  closed_ = true;
  next_phase();
}

void PublisherState::hurry() {
  hurry_ = true;
  if (down_since_) down_since_ = clock_.now();
}

void PublisherState::give_up() {
  fail({ErrorKind::kCancelled, fmt::format("gave up on {} when it had to end", display_url_)});
}

// What becomes of segments

void PublisherState::remove(SegmentId id) {
  const auto found = std::find_if(segments_.begin(), segments_.end(),
                                  [id](const Segment& segment) { return segment.id == id; });
  buffered_bytes_ -= found->unsent_bytes();
  const bool held = sending() == nullptr;
  segments_.erase(found);
  if (const Segment* next = sending(); held && next != nullptr) find(next->id)->waiting_since = clock_.now();
  next_phase();
}

void PublisherState::acknowledge(const Segment& segment) {
  totals_.acknowledged_bytes += segment.accepted_bytes;
  ++totals_.acknowledged_segments;
  if (options_.counters != nullptr) ++options_.counters->segments_out;
  remove(segment.id);
}

void PublisherState::count_lost_bytes(uint64_t bytes, Drop cause, bool whole_segment) {
  totals_.lost_bytes += bytes;
  if (whole_segment) ++totals_.lost_segments;
  if (options_.counters != nullptr && whole_segment) options_.counters->drop(cause);
}

void PublisherState::lose(const Segment& segment, Drop cause, std::string_view why) {
  log::warning("segment {} is lost ({} bytes, {} of them sent): {}",
               segment.number ? std::to_string(*segment.number) : "without a number", segment.accepted_bytes,
               segment.sent_bytes, why);
  count_lost_bytes(segment.accepted_bytes, cause, true);
  if (segment.number) deletes_.push_back(*segment.number);
  remove(segment.id);
}

void PublisherState::repeat(Segment& segment, Duration delay) {
  ++segment.attempt;
  segment.retry_at = clock_.now() + delay;
  segment.waiting_since = segment.retry_at;
}

void PublisherState::on_server_missing(const Error& error, bool quiet) {
  last_failure_ = error;
  if (options_.counters != nullptr) options_.counters->set_last_error(error.to_string());
  const bool first = !down_since_;
  if (first) down_since_ = clock_.now();
  if (!quiet && !down_told_) {
    log::warning("{}: trying again", error.to_string());
    down_told_ = true;
  } else if (first) {
    log::debug("{}: connecting again", error.to_string());
  }
}

void PublisherState::fail(Error error) {
  if (error_) return;
  error_ = std::move(error);
  uint64_t lost = 0;
  for (const Segment& segment : segments_) {
    lost += segment.accepted_bytes;
    if (segment.begun) ++totals_.lost_segments;
  }
  totals_.lost_bytes += lost;
  segments_.clear();
  add_segment_ahead();
  buffered_bytes_ = 0;
}

PublisherTotals PublisherState::totals() const { return totals_; }

bool PublisherState::finished() const { return error_ || phase_ == Phase::kDone; }

void PublisherState::next_phase() {
  if (phase_ != Phase::kRun || !closed_ || in_flight() > 0 || !deletes_.empty()) return;
  phase_ = options_.keep_channel ? Phase::kDone : Phase::kDelete;
  control_not_before_ = last_begun_at_ + options_.linger;
}

}  // namespace trickle
