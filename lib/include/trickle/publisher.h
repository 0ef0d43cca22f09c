// Publishes a trickle channel: takes bytes segment by segment and sends them as they come.
//
// The connection for the next segment is open before its first byte is there. A thread of its own does the
// sending, so the caller waits only where PublisherOptions say so. Nothing is lost silently: every byte
// accepted is acknowledged by the server or counted as lost.
//
// One thread at a time may call a Publisher.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "trickle/connection_options.h"
#include "trickle/export.h"
#include "trickle/result.h"

namespace trickle {

struct Counters;

/// What to do when the server is slower than the source: more than 3 segments on their way, or the buffer
/// full.
enum class OnLag {
  kBlock,  ///< Wait.
  kDrop,   ///< Drop the oldest segment of which nothing was sent yet, else the rest of the one being sent.
  kFail,   ///< Give up.
};

struct PublisherOptions {
  std::string url{};  ///< Of the channel.
  ConnectionOptions connection{};
  std::string content_type = "video/MP2T";
  OnLag on_lag = OnLag::kBlock;
  size_t buffer_bytes = 32 * 1024 * 1024;  ///< Accepted and not sent yet.
  std::optional<int64_t> start{};          ///< Number of the first segment; nullopt: the server's next.
  bool keep_channel = false;               ///< Don't delete the channel at the end.
  /// The channel is deleted no sooner than this after the last segment began: readers that were given several
  /// segments at once need a moment to ask for them, and what is deleted can't be read any more.
  std::chrono::milliseconds linger{500};
  /// Once readable (StopToken::fd()), nothing is waited for without end any more; -1: none.
  int stop_fd = -1;
  /// Once readable, nothing is waited for at all: what has not been acknowledged is lost, and every function
  /// fails with kCancelled; -1: none.
  int give_up_fd = -1;
  Counters* counters = nullptr;  ///< Must outlive the publisher; may be null.
};

struct PublisherTotals {
  uint64_t accepted_bytes = 0;
  uint64_t acknowledged_bytes = 0;
  uint64_t lost_bytes = 0;  ///< Of segments that failed, were dropped, or were never acknowledged.
  uint64_t acknowledged_segments = 0;
  uint64_t lost_segments = 0;
};

class TRICKLE_API Publisher {
 public:
  /// Checks the options and begins to connect; what the server says shows in later calls.
  /// \return kUsage for a bad URL.
  static Result<std::unique_ptr<Publisher>> open(PublisherOptions options);
  /// Without finish(): ends at once, leaves the channel as it is.
  virtual ~Publisher() = default;

  /// Ends the segment in hand, if any, and begins the next. May wait (OnLag::kBlock).
  /// \return kNotFound when the stream is gone (404 or closed), kRefused, kNetwork when there was no server
  /// for 20 s, kIo when another writer took over or (OnLag::kFail) the server is too slow.
  virtual Result<void> begin_segment() = 0;
  /// Adds to the segment in hand (begins one if there is none). Returns once the bytes are accepted; errors
  /// as begin_segment().
  virtual Result<void> write(std::span<const std::byte> bytes) = 0;
  /// Ends the segment in hand: its readers see its end at once.
  virtual Result<void> end_segment() = 0;
  /// One whole segment: a message of an events or data channel.
  Result<void> publish(std::string_view message);

  /// Ends the last segment, waits for the answers, deletes the channel. Call once, last.
  /// \return also kIo when bytes that were accepted have not been acknowledged.
  virtual Result<void> finish() = 0;

  /// Why the sending ended before finish(), or null. Never waits.
  [[nodiscard]] virtual std::optional<Error> failure() const = 0;
  /// A descriptor, owned by the publisher, that becomes readable once failure() is set.
  [[nodiscard]] virtual int failure_fd() const = 0;
  [[nodiscard]] virtual PublisherTotals totals() const = 0;
};

}  // namespace trickle
