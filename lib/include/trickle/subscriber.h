// Reads a trickle channel: its segments in order, each byte once, while they still arrive.
//
// A Subscriber asks for the next segment while the current one is still being read, resumes a segment whose
// connection broke at the byte where it broke, waits and tries again as ConnectionOptions say, and counts
// what it could not get. It makes progress only while one of its functions runs, so a reader that stands
// still slows its server down. One thread at a time may call it, except for cancel().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "trickle/connection_options.h"
#include "trickle/export.h"
#include "trickle/result.h"

namespace trickle {

struct Counters;

enum class OnGap {
  kLatest,  ///< Fallen out of the server's window: go on with the newest segment.
  kOldest,  ///< … with the oldest one that the server still has.
};

struct SubscriberOptions {
  std::string url{};  ///< Of the channel.
  ConnectionOptions connection{};

  /// "current", "next", "oldest", a number, or -N (the N-th newest; -1 is next, -2 current).
  std::string start = "current";
  std::optional<uint64_t> segments{};  ///< End after so many; nullopt: at the end of the stream.
  OnGap on_gap = OnGap::kLatest;
  /// How long to ask again for a channel that is not there yet; zero: not at all.
  std::chrono::milliseconds wait_for_channel{0};
  /// Give up when no byte has come for so long; zero: never.
  std::chrono::milliseconds idle_timeout{0};

  int stop_fd = -1;    ///< A descriptor that, once readable, ends every wait (StopToken::fd()); -1: none.
  int output_fd = -1;  ///< A pipe or socket whose reader's end ends every wait; -1: none.
  Counters* counters = nullptr;  ///< Must outlive the subscriber; may be null.
};

struct SubscriberPiece {
  enum class Kind {
    kBytes,        ///< Bytes of segment `segment`, in order.
    kSegmentEnd,   ///< Segment `segment` is over; `complete` tells whether all of it was there.
    kEndOfStream,  ///< Nothing more will come.
  };
  Kind kind = Kind::kEndOfStream;
  int64_t segment = -1;
  std::span<const std::byte> bytes;  ///< Valid until the next call.
  bool complete = true;
};

struct SubscriberSegment {
  int64_t number = -1;
  std::string bytes;
  bool complete = true;
};

class TRICKLE_API Subscriber {
 public:
  /// Checks the options; connects with the first read. \return kUsage for a bad URL, start or header.
  static Result<std::unique_ptr<Subscriber>> open(SubscriberOptions options);
  virtual ~Subscriber() = default;

  /// Waits for the next piece. Segments without bytes give their end only.
  /// \return kNotFound when the channel was not there at first, kRefused (401, 403), kNetwork after the
  /// retries, a refused certificate or the idle timeout, kClosed when output_fd's reader has gone, kCancelled
  /// after a stop.
  virtual Result<SubscriberPiece> read() = 0;

  /// Waits for the next whole segment that has bytes: a message of a control, events or data channel.
  /// \return nothing at the end of the stream; kBadData when it is longer than `limit_bytes`; else as read().
  virtual Result<std::optional<SubscriberSegment>> read_segment(size_t limit_bytes = 10 * 1024 * 1024) = 0;

  /// Ends the read() that runs, and all later ones, with kCancelled. From any thread.
  virtual void cancel() = 0;

  /// Segments, or parts of them, that could not be had: one for each time it happened.
  [[nodiscard]] virtual uint64_t gaps() const = 0;
  /// "video/MP2T" or whatever the server says about the newest segment; empty before the first.
  [[nodiscard]] virtual const std::string& content_type() const = 0;
};

}  // namespace trickle
