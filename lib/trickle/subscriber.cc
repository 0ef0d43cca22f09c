// Subscriber: the rules of SubscriberState on real connections, one for the segment in hand and one for the
// next.
#include "trickle/subscriber.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "base/counters.h"
#include "base/log.h"
#include "base/try.h"
#include "http/client.h"
#include "http/url.h"
#include "io/fd_io.h"
#include "trickle/answer.h"
#include "trickle/byte_hash.h"
#include "trickle/clients.h"
#include "trickle/subscriber_state.h"

namespace trickle {
namespace {

using Verdict = SubscriberState::Verdict;

class SubscriberImpl final : public Subscriber {
 public:
  SubscriberImpl(SubscriberOptions options, http::Url url, SubscriberState state, const Clock& clock)
      : options_(std::move(options)),
        url_(std::move(url)),
        clock_(clock),
        client_(options_.connection, clock),
        state_(std::move(state)),
        ended_(options_.segments == uint64_t{0}),
        last_byte_at_(clock_.now()) {}

  Result<SubscriberPiece> read() override;
  Result<std::optional<SubscriberSegment>> read_segment(size_t limit_bytes) override;
  void cancel() override {
    cancelled_ = true;
    client_.wake();
  }
  [[nodiscard]] uint64_t gaps() const override { return state_.gaps(); }
  [[nodiscard]] const std::string& content_type() const override { return content_type_; }

 private:
  std::unique_ptr<http::Transfer> start(const std::string& number);
  std::optional<Verdict> advance();
  std::optional<Verdict> look_at_head();
  std::optional<Verdict> look_at_body();
  std::optional<Verdict> skip_resent();
  void begin_reading();
  void keep_preconnected();
  void drop_preconnect(Duration delay);
  std::optional<SubscriberPiece> piece_for(Verdict verdict);
  SubscriberPiece segment_end(bool complete);
  Result<void> check_stop();
  Result<void> wait();

  const SubscriberOptions options_;
  const http::Url url_;
  const Clock& clock_;
  http::Client client_;
  SubscriberState state_;
  std::string content_type_;

  std::unique_ptr<http::Transfer> current_;
  bool reading_ = false;     ///< The head of current_ has been judged and its body is wanted.
  uint64_t body_bytes_ = 0;  ///< Of current_'s body, seen so far.
  uint64_t skip_left_ = 0;   ///< Of what the server sends again.
  ByteHash delivered_hash_;  ///< Of the segment in hand.
  ByteHash resent_hash_;
  size_t lent_bytes_ = 0;       ///< Given to the caller by the read before.
  uint64_t segment_bytes_ = 0;  ///< Passed on of the segment in hand.

  std::unique_ptr<http::Transfer> next_;
  int64_t next_number_ = -1;
  TimePoint next_not_before_{};

  uint64_t segments_ = 0;
  bool ended_;
  TimePoint last_byte_at_;
  std::atomic<bool> cancelled_{false};
};

std::unique_ptr<http::Transfer> SubscriberImpl::start(const std::string& number) {
  log::debug("GET {}/{}", url_.display(), number);
  return client_.start({.method = "GET", .url = url_.child(number), .headers = {}});
}

Result<void> SubscriberImpl::check_stop() {
  if (cancelled_) return unexpected(ErrorKind::kCancelled, "stopped");
  if (options_.stop_fd >= 0) {
    pollfd entry{options_.stop_fd, POLLIN, 0};
    if (::poll(&entry, 1, 0) > 0) return unexpected(ErrorKind::kCancelled, "stopped by a signal");
  }
  if (options_.output_fd >= 0 && reader_gone(options_.output_fd)) {
    return unexpected(ErrorKind::kClosed, "the reader of the output went away");
  }
  const TimePoint now = clock_.now();
  if (options_.idle_timeout.count() > 0 && now - last_byte_at_ >= options_.idle_timeout) {
    return unexpected(ErrorKind::kNetwork,
                      fmt::format("nothing came from {} for {:g} s", url_.display(),
                                  std::chrono::duration<double>(options_.idle_timeout).count()));
  }
  return {};
}

Result<SubscriberPiece> SubscriberImpl::read() {
  if (lent_bytes_ > 0) {
    current_->consume(std::exchange(lent_bytes_, 0));
  }
  while (true) {
    TRICKLE_TRY(check_stop());
    if (ended_) return SubscriberPiece{.kind = SubscriberPiece::Kind::kEndOfStream, .bytes = {}};
    if (const auto verdict = advance()) {
      if (*verdict == Verdict::kFail) return unexpected(state_.error());
      if (auto piece = piece_for(*verdict)) return *piece;
      continue;
    }
    if (lent_bytes_ > 0) {
      return SubscriberPiece{.kind = SubscriberPiece::Kind::kBytes,
                             .segment = state_.segment(),
                             .bytes = current_->received().first(lent_bytes_)};
    }
    TRICKLE_TRY(wait());
  }
}

// One step: \return a verdict when something was decided, nothing when there are bytes to lend or nothing to
// do.
std::optional<Verdict> SubscriberImpl::advance() {
  if (!current_) {
    if (clock_.now() < state_.ask().not_before) return std::nullopt;
    reading_ = false;
    current_ = next_ && state_.asked_number() == next_number_ ? std::move(next_) : start(state_.ask().number);
    next_.reset();
  }
  keep_preconnected();
  return reading_ ? look_at_body() : look_at_head();
}

std::optional<Verdict> SubscriberImpl::look_at_head() {
  const http::ResponseHead* head = current_->head();
  if (head == nullptr) {
    if (current_->done()) {
      const auto failure = *current_->failure();
      return state_.on_failure(failure.error, failure.retryable);
    }
    if (clock_.now() - current_->started_at() < kSilentPreconnect) return std::nullopt;
    log::debug("no answer for {} s: asking again", kSilentPreconnect.count());
    current_ = start(state_.ask().number);
    return std::nullopt;
  }
  const Answer answer = read_answer(*head);
  // A short body is read to its end, so that the connection can be used again.
  const bool worth_keeping =
      answer.status == kStatusNoSegment || answer.status >= 500 || state_.ask().number == "next";
  if (worth_keeping && !current_->done() && clock_.now() - current_->started_at() < kSilentPreconnect) {
    current_->consume(current_->received().size());
    return std::nullopt;
  }
  if (const auto type = head->header("content-type"); type && answer.status == 200) content_type_ = *type;
  const Verdict verdict = state_.on_answer(answer);
  if (verdict == Verdict::kRead) begin_reading();
  return verdict;
}

void SubscriberImpl::begin_reading() {
  reading_ = true;
  body_bytes_ = 0;
  skip_left_ = state_.skip_bytes();
  resent_hash_ = {};
  if (skip_left_ == 0) {
    delivered_hash_ = {};
    segment_bytes_ = 0;
  } else {
    log::info("segment {} goes on at byte {}", state_.segment(), skip_left_);
  }
  if (options_.counters != nullptr) options_.counters->segment = state_.segment();
}

std::optional<Verdict> SubscriberImpl::look_at_body() {
  if (skip_left_ > 0 && !current_->received().empty()) {
    if (const auto verdict = skip_resent()) return verdict;
  }
  const auto bytes = current_->received();
  if (!bytes.empty()) {
    last_byte_at_ = clock_.now();
    lent_bytes_ = bytes.size();
    body_bytes_ += bytes.size();
    segment_bytes_ += bytes.size();
    delivered_hash_.add(bytes);
    state_.on_delivered(bytes.size());
    if (options_.counters != nullptr) options_.counters->bytes_in += bytes.size();
    return std::nullopt;
  }
  if (!current_->done()) return std::nullopt;
  if (const auto& failure = current_->failure()) return state_.on_failure(failure->error, failure->retryable);
  return state_.on_complete(body_bytes_);
}

std::optional<Verdict> SubscriberImpl::skip_resent() {
  const auto bytes = current_->received();
  const auto size = static_cast<size_t>(std::min<uint64_t>(skip_left_, bytes.size()));
  resent_hash_.add(bytes.first(size));
  current_->consume(size);
  body_bytes_ += size;
  skip_left_ -= size;
  if (skip_left_ > 0 || resent_hash_.value() == delivered_hash_.value()) return std::nullopt;
  return state_.on_changed();
}

void SubscriberImpl::drop_preconnect(Duration delay) {
  next_.reset();
  next_not_before_ = clock_.now() + delay;
}

// While a segment is being read the next one is asked for already. What goes wrong with that is not counted:
// it is asked for again, at the latest when its turn comes.
void SubscriberImpl::keep_preconnected() {
  if (!reading_ || (options_.segments && segments_ + 1 >= *options_.segments)) return;
  if (next_) {
    if (next_->head() != nullptr) {
      const int status = next_->head()->status;
      if (status == kStatusNoSegment || status >= 500) drop_preconnect(kEarlyRepeat);
    } else if (next_->done()) {
      drop_preconnect(options_.connection.retry_first_delay);
    } else if (clock_.now() - next_->started_at() >= kSilentPreconnect) {
      drop_preconnect(Duration::zero());
    }
  }
  if (next_ || clock_.now() < next_not_before_) return;
  next_number_ = state_.segment() + 1;
  next_ = start(std::to_string(next_number_));
}

SubscriberPiece SubscriberImpl::segment_end(bool complete) {
  if (segment_bytes_ > 0) {
    ++segments_;
    if (options_.counters != nullptr) ++options_.counters->segments_in;
  }
  segment_bytes_ = 0;
  if (options_.segments && segments_ >= *options_.segments) ended_ = true;
  return {.kind = SubscriberPiece::Kind::kSegmentEnd,
          .segment = state_.segment(),
          .bytes = {},
          .complete = complete};
}

std::optional<SubscriberPiece> SubscriberImpl::piece_for(Verdict verdict) {
  if (verdict == Verdict::kRead) return std::nullopt;
  current_.reset();
  reading_ = false;
  switch (verdict) {
    case Verdict::kSegmentDone:
      return segment_end(true);
    case Verdict::kSegmentLost:
      return segment_end(false);
    case Verdict::kEnd:
      ended_ = true;
      return SubscriberPiece{.kind = SubscriberPiece::Kind::kEndOfStream, .bytes = {}};
    default:
      return std::nullopt;
  }
}

Result<void> SubscriberImpl::wait() {
  std::optional<TimePoint> deadline;
  const auto at_most = [&](TimePoint time) { deadline = deadline ? std::min(*deadline, time) : time; };
  if (!current_) at_most(state_.ask().not_before);
  if (current_ && !reading_) at_most(current_->started_at() + kSilentPreconnect);
  if (reading_ && next_ && next_->head() == nullptr) at_most(next_->started_at() + kSilentPreconnect);
  if (reading_ && !next_ && next_not_before_ > clock_.now()) at_most(next_not_before_);
  if (options_.idle_timeout.count() > 0) at_most(last_byte_at_ + options_.idle_timeout);
  std::array<pollfd, 2> watched{{{options_.stop_fd, POLLIN, 0}, {options_.output_fd, 0, 0}}};
  client_.wait(deadline, watched);
  return {};
}

Result<std::optional<SubscriberSegment>> SubscriberImpl::read_segment(size_t limit_bytes) {
  SubscriberSegment segment;
  while (true) {
    TRICKLE_TRY_ASSIGN(const SubscriberPiece piece, read());
    switch (piece.kind) {
      case SubscriberPiece::Kind::kBytes:
        if (segment.bytes.size() + piece.bytes.size() > limit_bytes) {
          return unexpected(ErrorKind::kBadData, fmt::format("segment {} of {} is longer than {} bytes",
                                                             piece.segment, url_.display(), limit_bytes));
        }
        segment.bytes.append(reinterpret_cast<const char*>(piece.bytes.data()), piece.bytes.size());
        break;
      case SubscriberPiece::Kind::kSegmentEnd:
        if (segment.bytes.empty()) break;
        segment.number = piece.segment;
        segment.complete = piece.complete;
        return std::optional(std::move(segment));
      case SubscriberPiece::Kind::kEndOfStream:
        return std::optional<SubscriberSegment>();
    }
  }
}

}  // namespace

Result<std::unique_ptr<Subscriber>> open_subscriber(SubscriberOptions options, const Clock& clock) {
  TRICKLE_TRY_ASSIGN(http::Url url, http::Url::parse(options.url));
  if (options.connection.insecure) log::warning("certificates are not verified (--insecure)");
  TRICKLE_TRY_ASSIGN(SubscriberState state, SubscriberState::make(options, url.display(), clock));
  return std::unique_ptr<Subscriber>(
      std::make_unique<SubscriberImpl>(std::move(options), std::move(url), std::move(state), clock));
}

Result<std::unique_ptr<Subscriber>> Subscriber::open(SubscriberOptions options) {
  return open_subscriber(std::move(options), system_clock());
}

}  // namespace trickle
