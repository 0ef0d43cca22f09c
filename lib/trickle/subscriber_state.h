// The rules of a subscriber, without network or time of its own: which number to ask for and when, what an
// answer means, when a segment is resumed, when something was lost, and when it is over.
//
// The owner asks for ask(), reports what came of it, and does as the verdict says. A preconnect is the answer
// to a later ask() that the owner obtained early. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "io/clock.h"
#include "trickle/subscriber.h"
#include "trickle/wire.h"

namespace trickle {

class SubscriberState {
 public:
  struct Ask {
    std::string number;      ///< The last part of the URL: a number, -1, -2, "oldest" or "next".
    TimePoint not_before{};  ///< When to ask.
  };

  enum class Verdict {
    kRead,         ///< The body is that of segment(); pass it on, but for its first skip_bytes().
    kAsk,          ///< Nothing to read: do as ask() says.
    kSegmentLost,  ///< The rest of segment() can't be had; tell the reader, then do as ask() says.
    kSegmentDone,  ///< Segment() is complete; tell the reader, then do as ask() says.
    kEnd,          ///< End of stream.
    kFail,         ///< error() tells why.
  };

  /// \return kUsage when options.start is none. `display_url` is for messages.
  static Result<SubscriberState> make(const SubscriberOptions& options, std::string display_url,
                                      const Clock& clock);

  [[nodiscard]] const Ask& ask() const { return ask_; }
  /// The number that ask() stands for, where it is one.
  [[nodiscard]] std::optional<int64_t> asked_number() const { return wanted_; }
  [[nodiscard]] int64_t segment() const { return segment_; }
  [[nodiscard]] uint64_t skip_bytes() const { return delivered_bytes_; }
  [[nodiscard]] const Error& error() const { return *error_; }
  [[nodiscard]] uint64_t gaps() const { return gaps_; }
  /// True while a segment has been begun and is neither done nor lost.
  [[nodiscard]] bool in_segment() const { return in_segment_; }

  /// The head of the answer to ask() is there.
  Verdict on_answer(const Answer& answer);
  /// `bytes` of segment() were passed on.
  void on_delivered(uint64_t bytes);
  /// The body that kRead was said of is complete. `body_bytes` of it were seen, skipped ones included.
  Verdict on_complete(uint64_t body_bytes);
  /// The request failed, before its head or in the middle of its body.
  Verdict on_failure(const Error& error, bool retryable);
  /// What the server sent again is not what it sent before: the segment can't be continued.
  Verdict on_changed();

 private:
  SubscriberState(const SubscriberOptions& options, std::string display_url, const Clock& clock);
  Verdict on_next(const Answer& answer);
  Verdict on_success(const Answer& answer);
  Verdict on_no_segment(const Answer& answer);
  Verdict on_not_found();
  Verdict retry(const Error& error);
  Verdict fail(Error error);
  Verdict lose_rest_and_ask(std::string_view why);
  Verdict end();
  void jump_to(int64_t number, std::string_view why);
  void jump_to_oldest(std::string_view why);
  void ask_for(int64_t number, Duration delay);
  void move_on();
  void count_gap();

  SubscriberOptions options_;
  std::string display_url_;
  const Clock* clock_;
  Ask ask_;
  std::optional<int64_t> wanted_;
  std::optional<int64_t> gap_from_;  ///< The first number missed, while the server is asked for its oldest.
  int64_t known_next_ = 0;           ///< Numbers below this have been written, as far as the server said.
  int64_t segment_ = -1;
  uint64_t delivered_bytes_ = 0;
  bool in_segment_ = false;
  bool from_the_end_ = false;  ///< Wanted_ was counted from the next one, and nothing was read yet.
  bool found_ = false;         ///< The channel has been seen.
  bool server_lost_ = false;   ///< A connection failed and nothing has been read since.
  std::optional<TimePoint> waiting_since_;  ///< For the channel.
  std::optional<TimePoint> behind_since_;   ///< The server is behind us since.
  int failures_ = 0;
  uint64_t jitter_;
  uint64_t gaps_ = 0;
  uint64_t done_segments_ = 0;
  std::optional<Error> error_;
};

}  // namespace trickle
