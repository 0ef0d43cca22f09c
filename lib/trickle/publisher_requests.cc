// The sender's side of PublisherState: which requests should be open, and what becomes of them.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "trickle/answer.h"
#include "trickle/publisher_state.h"

namespace trickle {
namespace {

constexpr int kDeleteAttempts = 3;
constexpr int kHastyNumbers = 100;  // Tried one after the other without a pause.
// Between the first bytes of two segments, unless the first one has its status: each has a connection of its
// own, and a server that sees them swapped counts backwards, or tells readers that they are late.
constexpr std::chrono::milliseconds kOrderlyStep{25};

}  // namespace

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
  if (!retryable) return fail({error.kind(), "can't publish", error});
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

std::optional<TimePoint> PublisherState::in_order_at() const {
  const Segment* before = nullptr;
  for (const Segment& segment : segments_) {
    if (!segment.body_sent) break;
    before = &segment;
  }
  return before == nullptr ? std::nullopt : std::optional(before->first_sent_at + kOrderlyStep);
}

bool PublisherState::has_bytes_for(SegmentId id) const {
  const Segment* segment = sending();
  if (segment == nullptr || segment->id != id || !segment->begun) return false;
  if (segment->unsent_bytes() == 0 && !segment->ended) return false;
  const auto not_before = segment->sent_bytes == 0 ? in_order_at() : std::nullopt;
  return !not_before || clock_.now() >= *not_before;
}

size_t PublisherState::read(SegmentId id, std::span<std::byte> buffer) {
  constexpr size_t kNotYet = static_cast<size_t>(-1);
  on_server_seen();
  if (!has_bytes_for(id)) return kNotYet;
  reset_pending_ =
      false;  // A POST that breaks before this is sent again, and the server may not have seen it.
  Segment& segment = *find(id);
  segment.waiting_since = clock_.now();
  if (segment.sent_bytes == 0) segment.first_sent_at = clock_.now();
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
  if (!retryable) return fail({error.kind(), "can't publish", error});
  on_server_missing(error, !segment->begun);  // One that was only connected ahead is nothing to worry about.
  if (segment->sent_bytes > 0 || segment->body_sent) return lose(*segment, Drop::kFailed, error.to_string());
  repeat(*segment, kPublisherRepeat);
}

// Time

void PublisherState::tick() {
  if (finished()) return;
  const TimePoint now = clock_.now();
  if (down_since_ && !retries_for_ever() && now - *down_since_ >= kServerTimeout) {
    return fail(
        {ErrorKind::kNetwork, fmt::format("gave up after {} s", kServerTimeout.count()), *last_failure_});
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
    if (&segment == sending() && segment.begun && segment.sent_bytes == 0) {
      if (const auto in_order = in_order_at(); in_order && *in_order > now) at(*in_order);
    }
    if (segment.body_sent || has_bytes_for(segment.id)) at(segment.waiting_since + kServerTimeout);
  }
  return first;
}

}  // namespace trickle
