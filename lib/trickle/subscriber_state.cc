#include "trickle/subscriber_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/counters.h"
#include "base/log.h"
#include "trickle/answer.h"

namespace trickle {
namespace {

constexpr const char* kNext = "next";

// -N: how many segments back from the next one; nothing when it isn't that.
std::optional<int64_t> start_back(std::string_view start) {
  const auto back = start.starts_with('-') ? parse_sequence(start.substr(1)) : std::nullopt;
  return back && *back > 0 ? back : std::nullopt;
}

// The word of --start as the last part of a URL; nothing when it is none. Not every server understands more
// than -1 and -2: for the others their number is found by that of the next one.
std::optional<std::string> start_word(std::string_view start) {
  if (start == "current") return "-2";
  if (start == "next") return "-1";
  if (start == "oldest") return "oldest";
  if (const auto back = start_back(start)) return *back <= 2 ? std::string(start) : kNext;
  return parse_sequence(start) ? std::optional<std::string>(start) : std::nullopt;
}

}  // namespace

Result<SubscriberState> SubscriberState::make(const SubscriberOptions& options, std::string display_url,
                                              const Clock& clock) {
  if (!start_word(options.start)) {
    return unexpected(
        ErrorKind::kUsage,
        fmt::format("can't start at '{}': use current, next, oldest, a number or -N", options.start));
  }
  return SubscriberState(options, std::move(display_url), clock);
}

SubscriberState::SubscriberState(const SubscriberOptions& options, std::string display_url,
                                 const Clock& clock)
    : options_(options),
      display_url_(std::move(display_url)),
      clock_(&clock),
      ask_{*start_word(options.start), {}},
      wanted_(parse_sequence(ask_.number)),
      jitter_(static_cast<uint64_t>(clock.now().time_since_epoch().count()) | 1) {}

SubscriberState::Verdict SubscriberState::on_answer(const Answer& answer) {
  // What a server that was lost and came back says of itself tells nothing of the numbers before; but an end
  // is the end of this stream, once it has been seen.
  if (answer.latest && (answer.closed ? found_ : !server_lost_))
    known_next_ = std::max(known_next_, *answer.latest);
  // Looked at before the status: an empty segment is no end, and an end is a plain 200. But a channel that
  // ended before we came is one that is not there.
  if (answer.closed && (found_ || answer.status != 404)) {
    found_ = true;
    if (in_segment_) return lose_rest_and_ask("the stream ended");
    return end();
  }
  const bool without_next = answer.status == 200 || answer.status == 400 || answer.status == 405;
  if (ask_.number == kNext && without_next) return on_next(answer);
  if (answer.status == 200) return on_success(answer);
  if (answer.status == kStatusNoSegment) return on_no_segment(answer);
  if (answer.status == 404) return on_not_found();
  if (answer.status == 400 && ask_.number == "oldest") {  // An older server, which doesn't know the word.
    ask_.number = "-2";
    return Verdict::kAsk;
  }
  Error error = status_error(answer.status, "can't subscribe", display_url_);
  const bool worth_another_try = answer.status >= 500 || answer.status == 408 || answer.status == 429;
  if (answer.status >= 500) server_lost_ = true;  // A gateway says so of a server that is being restarted.
  return worth_another_try ? retry(error) : fail(std::move(error));
}

// The answer to where the channel is, for a start that is counted from there.
SubscriberState::Verdict SubscriberState::on_next(const Answer& answer) {
  if (answer.status != 200 || !answer.latest) {  // An older server, which doesn't know the word.
    ask_.number = "-2";
    return Verdict::kAsk;
  }
  found_ = true;
  waiting_since_.reset();
  ask_for(std::max<int64_t>(*answer.latest - (*start_back(options_.start) - 1), 0), Duration::zero());
  from_the_end_ = true;
  return Verdict::kAsk;
}

SubscriberState::Verdict SubscriberState::on_success(const Answer& answer) {
  found_ = true;
  behind_since_.reset();
  waiting_since_.reset();
  const std::optional<int64_t> number = answer.seq ? answer.seq : wanted_;
  if (!number || *number == std::numeric_limits<int64_t>::max())
    return fail({ErrorKind::kNetwork,
                 fmt::format("{} is no trickle server: its answer has no Lp-Trickle-Seq", display_url_)});
  if (in_segment_ && *number == segment_) return Verdict::kRead;  // Resumed.
  if (in_segment_) return lose_rest_and_ask("the server gave another segment instead");
  if (wanted_ && *number < *wanted_) {  // Nothing is passed on twice.
    server_lost_ = true;
    return retry({ErrorKind::kNetwork,
                  fmt::format("{} gave segment {} when asked for {}", display_url_, *number, *wanted_)});
  }
  if (gap_from_ && *number < *gap_from_) {  // One that was lost lies between those that the server has.
    log::warning("segment {} is lost: the server does not have it", *gap_from_);
    count_gap();
    ask_for(*std::exchange(gap_from_, std::nullopt) + 1, Duration::zero());
    return Verdict::kAsk;
  }
  if (gap_from_ && *number > *gap_from_) {
    log::warning("segments {} to {} are lost: the server no longer has them", *gap_from_, *number - 1);
    count_gap();
  } else if (!gap_from_ && wanted_ && *number != *wanted_) {
    log::warning("asked for segment {}, got {}", *wanted_, *number);
    count_gap();
  }
  gap_from_.reset();
  from_the_end_ = false;
  segment_ = *number;
  wanted_ = number;
  ask_.number = std::to_string(*number);
  in_segment_ = true;
  delivered_bytes_ = 0;
  return Verdict::kRead;
}

// 470. Latest ahead: we fell out of the window. Behind: we are early, for ever if need be. But after a server
// was gone and came back with lower numbers, they have begun anew, and waiting for the old ones would never
// end.
SubscriberState::Verdict SubscriberState::on_no_segment(const Answer& answer) {
  found_ = true;
  const TimePoint now = clock_->now();
  if (!wanted_ || !answer.latest) {
    ask_.not_before = now + kEarlyRepeat;
    return Verdict::kAsk;
  }
  if (*answer.latest > *wanted_ && from_the_end_) {  // -N reaches further back than the server does.
    wanted_.reset();
    ask_ = {"oldest", now};
    return Verdict::kAsk;
  }
  if (*answer.latest > *wanted_) {
    if (in_segment_) return lose_rest_and_ask("the server no longer has it");
    if (options_.on_gap == OnGap::kOldest) {
      jump_to_oldest("fell out of the server's window");
    } else {
      jump_to(*answer.latest, "fell out of the server's window");
    }
    return Verdict::kAsk;
  }
  if (!behind_since_) behind_since_ = now;
  // 0 may be a server whose publisher is not back yet; one that has begun to count again won't go on where it
  // was.
  const bool counts_anew = *answer.latest > 0 || now - *behind_since_ >= kRestartedNumbering;
  if (server_lost_ && *answer.latest < *wanted_ && counts_anew) {
    if (in_segment_) return lose_rest_and_ask("the server came back without it");
    log::warning("the server came back with numbers from {}, after {}", *answer.latest, *wanted_);
    count_gap();
    ask_for(*answer.latest, Duration::zero());
    behind_since_.reset();
    return Verdict::kAsk;
  }
  ask_.not_before = now + kEarlyRepeat;
  return Verdict::kAsk;
}

SubscriberState::Verdict SubscriberState::on_not_found() {
  const TimePoint now = clock_->now();
  if (!found_) {
    if (!waiting_since_) {
      waiting_since_ = now;
      if (options_.wait_for_channel.count() > 0) log::info("waiting for {} to appear", display_url_);
    }
    if (now - *waiting_since_ < options_.wait_for_channel) {
      ask_.not_before = now + kEarlyRepeat;
      return Verdict::kAsk;
    }
    return fail({ErrorKind::kNotFound, fmt::format("there is no channel {}", display_url_)});
  }
  // A server that has just come back doesn't know the channel until its publisher is back as well.
  if (server_lost_) {
    const bool for_ever = !options_.connection.retries;
    if (for_ever || failures_ < *options_.connection.retries) {
      return retry({ErrorKind::kNetwork, fmt::format("{} is not there yet", display_url_)});
    }
  }
  if (in_segment_) return lose_rest_and_ask("the stream ended");
  return end();
}

// A stream that ends takes those of its segments with it that were not asked for in time.
SubscriberState::Verdict SubscriberState::end() {
  if (wanted_ && *wanted_ < known_next_) {
    log::warning("the stream ended before segments {} to {} were read: they are lost", *wanted_,
                 known_next_ - 1);
    count_gap();
    known_next_ = 0;
  }
  return Verdict::kEnd;
}

void SubscriberState::on_delivered(uint64_t bytes) {
  delivered_bytes_ += bytes;
  if (bytes > 0) {
    failures_ = 0;
    server_lost_ = false;
  }
}

SubscriberState::Verdict SubscriberState::on_complete(uint64_t body_bytes) {
  if (body_bytes < delivered_bytes_) return on_changed();
  failures_ = 0;
  server_lost_ = false;
  move_on();
  ++done_segments_;
  return Verdict::kSegmentDone;
}

SubscriberState::Verdict SubscriberState::on_changed() {
  return lose_rest_and_ask("the server came back with other bytes in it");
}

SubscriberState::Verdict SubscriberState::on_failure(const Error& error, bool retryable) {
  server_lost_ = true;
  Error located(error.kind(), display_url_, error);  // Curl's sentences seldom say where.
  return retryable ? retry(located) : fail(std::move(located));
}

SubscriberState::Verdict SubscriberState::retry(const Error& error) {
  const auto& connection = options_.connection;
  if (connection.retries && failures_ >= *connection.retries) {
    const std::string attempts =
        failures_ == 0 ? "" : fmt::format(" after {} attempts in a row", failures_ + 1);
    return fail({ErrorKind::kNetwork, "gave up" + attempts, error});
  }
  Duration delay = connection.retry_first_delay;
  for (int i = 0; i < failures_ && delay < connection.retry_last_delay; ++i) delay *= 2;
  delay = std::min<Duration>(delay, connection.retry_last_delay);
  // Between three quarters and all of it, so that many subscribers don't come back at the same moment.
  jitter_ = jitter_ * 6364136223846793005ULL + 1442695040888963407ULL;
  delay -= delay / 4 * static_cast<int64_t>(jitter_ >> 40 & 0xff) / 256;
  if (failures_ == 0) {
    log::warning("{}: trying again", error.to_string());
  } else {
    log::debug("{}: trying again", error.to_string());
  }
  ++failures_;
  ask_.not_before = clock_->now() + delay;
  if (options_.counters != nullptr) {
    options_.counters->restarts.fetch_add(1, std::memory_order_relaxed);
    options_.counters->set_last_error(error.to_string());
  }
  return Verdict::kAsk;
}

SubscriberState::Verdict SubscriberState::fail(Error error) {
  if (in_segment_) {
    log::warning("segment {} ends after {} bytes: the rest is lost", segment_, delivered_bytes_);
    count_gap();
    in_segment_ = false;
  }
  error_ = std::move(error);
  return Verdict::kFail;
}

SubscriberState::Verdict SubscriberState::lose_rest_and_ask(std::string_view why) {
  log::warning("segment {} breaks off after {} bytes: {}", segment_, delivered_bytes_, why);
  count_gap();
  move_on();
  return Verdict::kSegmentLost;
}

void SubscriberState::move_on() {
  in_segment_ = false;
  delivered_bytes_ = 0;
  ask_for(segment_ + 1, Duration::zero());
}

void SubscriberState::ask_for(int64_t number, Duration delay) {
  wanted_ = number;
  ask_ = {std::to_string(number), clock_->now() + delay};
}

void SubscriberState::jump_to(int64_t number, std::string_view why) {
  log::warning("{}: segments {} to {} are lost", why, *wanted_, number - 1);
  count_gap();
  ask_for(number, Duration::zero());
}

void SubscriberState::jump_to_oldest(std::string_view why) {
  log::warning("{} at segment {}", why, *wanted_);
  gap_from_ = wanted_;
  wanted_.reset();
  ask_ = {"oldest", clock_->now()};
}

void SubscriberState::count_gap() {
  ++gaps_;
  if (options_.counters != nullptr) options_.counters->gaps.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace trickle
