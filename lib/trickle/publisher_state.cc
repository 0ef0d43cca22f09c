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
constexpr size_t kChunkBytes = 64 * 1024;
constexpr int kDeleteAttempts = 3;
constexpr int kHastyNumbers = 100;  // Tried one after the other without a pause.

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

// The segment that carries data: one at a time, in order.
const PublisherState::Segment* PublisherState::sending() const {
  const auto found = std::find_if(segments_.begin(), segments_.end(),
                                  [](const Segment& segment) { return !segment.body_sent; });
  return found == segments_.end() ? nullptr : &*found;
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

// What becomes of segments

void PublisherState::remove(SegmentId id) {
  const auto found = std::find_if(segments_.begin(), segments_.end(),
                                  [id](const Segment& segment) { return segment.id == id; });
  buffered_bytes_ -= found->unsent_bytes();
  segments_.erase(found);
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
  if (down_since_) return;
  down_since_ = clock_.now();
  if (quiet) {
    log::debug("{}: connecting again", error.to_string());
  } else {
    log::warning("{}: trying again", error.to_string());
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

// The sender's side: control requests

std::optional<PublisherState::Control> PublisherState::control() const {
  if (error_ || clock_.now() < control_not_before_) return std::nullopt;
  switch (phase_) {
    case Phase::kCreate:
      return Control{Control::Kind::kCreate};
    case Phase::kNext:
      return Control{Control::Kind::kNext};
    case Phase::kRun:
      if (deletes_.empty()) return std::nullopt;
      return Control{Control::Kind::kDeleteSegment, deletes_.front()};
    case Phase::kDelete:
      return Control{Control::Kind::kDeleteChannel};
    case Phase::kDone:
      break;
  }
  return std::nullopt;
}

void PublisherState::on_control_answer(const Answer& answer, std::string_view body) {
  if (answer.status >= 500) {
    return on_control_failure(status_error(answer.status, "can't publish", display_url_), true);
  }
  on_server_seen();
  control_failures_ = 0;
  const bool refused = answer.status == 401 || answer.status == 403;
  switch (phase_) {
    case Phase::kCreate:
      // 404: the server creates channels by itself, or an administrator does.
      if (answer.status != 200 && answer.status != 404) {
        return fail(status_error(answer.status, "can't create the channel", display_url_));
      }
      phase_ = options_.start ? Phase::kRun : Phase::kNext;
      next_number_ = options_.start.value_or(0);
      break;
    case Phase::kNext: {
      if (refused) return fail(status_error(answer.status, "can't publish", display_url_));
      // A server that doesn't know the word answers 400 or 404: a channel begins at 0.
      const auto from_body = parse_sequence(body.substr(0, body.find_first_of("\r\n ")));
      if (answer.status == 200) next_number_ = answer.latest.value_or(from_body.value_or(0));
      phase_ = Phase::kRun;
      break;
    }
    case Phase::kRun:
      deletes_.pop_front();
      break;
    case Phase::kDelete:
      if (refused) return fail(status_error(answer.status, "can't end the channel", display_url_));
      phase_ = Phase::kDone;
      break;
    case Phase::kDone:
      break;
  }
  next_phase();
}

void PublisherState::on_control_failure(const Error& error, bool retryable) {
  if (!retryable) return fail({error.kind(), fmt::format("can't reach {}", display_url_), error});
  on_server_missing(error, false);
  ++control_failures_;
  if (phase_ == Phase::kRun &&
      control_failures_ >= kDeleteAttempts) {  // Its readers will find out by themselves.
    control_failures_ = 0;
    deletes_.pop_front();
    next_phase();
  }
  control_not_before_ = clock_.now() + kPublisherRepeat;
}

// The sender's side: POSTs

std::vector<PublisherState::Post> PublisherState::posts() {
  std::vector<Post> wanted;
  if (phase_ != Phase::kRun || error_) return wanted;
  const auto add = [&](Segment& segment, bool reset) {
    if (!segment.body_sent && clock_.now() < segment.retry_at) return false;
    if (!segment.begun && closed_) return false;
    if (!segment.number) segment.number = next_number_++;
    wanted.push_back({segment.id, *segment.number, segment.attempt, reset});
    return true;
  };
  auto segment = segments_.begin();
  for (; segment != segments_.end() && segment->body_sent; ++segment) add(*segment, false);
  if (segment == segments_.end() || !add(*segment, reset_pending_)) return wanted;
  // While this one carries data the next one is connected ahead.
  const bool flows = segment->sent_bytes > 0;
  if (flows && ++segment != segments_.end()) add(*segment, false);
  return wanted;
}

bool PublisherState::has_bytes_for(SegmentId id) const {
  const Segment* segment = sending();
  return segment != nullptr && segment->id == id && segment->begun &&
         (segment->unsent_bytes() > 0 || segment->ended);
}

size_t PublisherState::read(SegmentId id, std::span<std::byte> buffer) {
  constexpr size_t kNotYet = static_cast<size_t>(-1);
  on_server_seen();
  if (const Segment* first = sending(); first != nullptr && first->id == id)
    reset_pending_ = false;  // It has gone out.
  if (!has_bytes_for(id)) return kNotYet;
  Segment& segment = *find(id);
  segment.waiting_since = clock_.now();
  if (segment.unsent_bytes() == 0) {
    segment.body_sent = true;
    return 0;
  }
  size_t size = 0;
  while (size < buffer.size() && !segment.chunks.empty()) {
    const auto& chunk = segment.chunks.front();
    const size_t step = std::min(buffer.size() - size, chunk.size() - segment.chunk_offset);
    std::memcpy(buffer.data() + size, chunk.data() + segment.chunk_offset, step);
    size += step;
    segment.chunk_offset += step;
    if (segment.chunk_offset < chunk.size()) break;
    segment.chunks.pop_front();
    segment.chunk_offset = 0;
  }
  segment.sent_bytes += size;
  buffered_bytes_ -= size;
  if (options_.counters != nullptr) {
    options_.counters->bytes_out += size;
    options_.counters->segment = *segment.number;
  }
  return size;
}

void PublisherState::on_post_answer(SegmentId id, const Answer& answer) {
  Segment* segment = find(id);
  if (segment == nullptr || phase_ != Phase::kRun || error_) return;
  on_server_seen();
  if (answer.closed || answer.status == 404) {
    return fail({ErrorKind::kNotFound,
                 fmt::format("the stream {} is gone: {}", display_url_,
                             answer.closed ? "the server closed it" : "no such channel (404)")});
  }
  if (answer.status == 409) {
    return fail({ErrorKind::kIo, fmt::format("another writer took over {} (409)", display_url_)});
  }
  if (answer.status == 200) {
    if (segment->body_sent) {
      unused_numbers_ = 0;
      return acknowledge(*segment);
    }
    if (segment->sent_bytes > 0) return lose(*segment, Drop::kFailed, "the server closed it before its end");
    segment->number.reset();  // Closed before we began: its number is used up.
    return repeat(*segment, ++unused_numbers_ > kHastyNumbers ? kPublisherRepeat : Duration::zero());
  }
  const Error error = status_error(answer.status, "can't publish", display_url_);
  if (answer.status == 413) return lose(*segment, Drop::kFailed, "it is larger than the server allows (413)");
  if (answer.status >= 500 || answer.status == 408 || answer.status == 429)
    return on_post_failure(id, error, true);
  fail(error);
}

void PublisherState::on_post_failure(SegmentId id, const Error& error, bool retryable) {
  Segment* segment = find(id);
  if (segment == nullptr || phase_ != Phase::kRun || error_) return;
  if (!retryable) return fail({error.kind(), fmt::format("can't reach {}", display_url_), error});
  on_server_missing(error, !segment->begun);  // One that was only connected ahead is nothing to worry about.
  if (segment->sent_bytes > 0 || segment->body_sent) return lose(*segment, Drop::kFailed, error.message());
  repeat(*segment, kPublisherRepeat);
}

// Time

void PublisherState::tick() {
  if (finished()) return;
  const TimePoint now = clock_.now();
  if (down_since_ && !retries_for_ever() && now - *down_since_ >= kServerTimeout) {
    return fail({ErrorKind::kNetwork,
                 fmt::format("no answer from {} for {} s", display_url_, kServerTimeout.count()),
                 *last_failure_});
  }
  if (phase_ != Phase::kRun) return;
  std::vector<SegmentId> late;
  for (const Segment& segment : segments_) {
    const bool waits = segment.body_sent || (&segment == sending() && has_bytes_for(segment.id));
    if (waits && now - segment.waiting_since >= kServerTimeout) late.push_back(segment.id);
  }
  for (const SegmentId id : late) {
    const Segment* segment = find(id);
    if (segment == nullptr) continue;
    const char* what = segment->body_sent ? "no status" : "took nothing";
    on_post_failure(
        id, {ErrorKind::kNetwork, fmt::format("{}: {} for {} s", display_url_, what, kServerTimeout.count())},
        true);
  }
}

std::optional<TimePoint> PublisherState::deadline() const {
  if (finished()) return std::nullopt;
  const TimePoint now = clock_.now();
  std::optional<TimePoint> first;
  const auto at = [&](TimePoint time) { first = first ? std::min(*first, time) : time; };
  if (control_not_before_ > now) at(control_not_before_);
  if (down_since_ && !retries_for_ever()) at(*down_since_ + kServerTimeout);
  if (phase_ != Phase::kRun) return first;
  for (const Segment& segment : segments_) {
    if (segment.retry_at > now) at(segment.retry_at);
    if (segment.body_sent || has_bytes_for(segment.id)) at(segment.waiting_since + kServerTimeout);
  }
  return first;
}

}  // namespace trickle
