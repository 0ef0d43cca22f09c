// Load on a trickle server from outside: publishers that POST known data, subscribers that check each byte of
// it and the time it took.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bench/pattern.h"
#include "bench/statistics.h"
#include "bench/tcp.h"
#include "io/stop.h"
#include "trickle/result.h"

namespace trickle::bench {

struct LoadOptions {
  size_t publishers = 1;     ///< Each has a channel of its own.
  size_t subscribers = 100;  ///< Dealt to the channels in turn.
  size_t chunk_bytes = 8192;
  double rate_hz = 30;  ///< Chunks a second and publisher. 0: as fast as its slowest reader reads.
  size_t chunks_per_segment = 60;
  size_t stalled = 0;      ///< So many of the subscribers read nothing.
  bool preconnect = true;  ///< Subscribers ask for the next segment while they read one.
  std::chrono::milliseconds duration{10000};
  size_t threads = 1;  ///< That read.
};

/// What publishers and subscribers of one load share.
struct LoadShared {
  LoadShared(const LoadOptions& load_options, ServerAddress address);

  const LoadOptions& options;
  const ServerAddress server;
  const Pattern pattern;
  const std::string prefix;  ///< Of channel names; new for each load.
  [[nodiscard]] std::string path(size_t channel) const;
  [[nodiscard]] std::string path(size_t channel, int64_t segment) const;

  /// For unpaced publishers: a reader takes part, has finished (or missed) segments, takes part no longer.
  void reader_joined(size_t channel) { ++readers_[channel]; }
  void segments_read(size_t channel, int64_t first, int64_t last);
  void reader_left(size_t channel);
  /// Waits until every reader of the channel has finished this segment.
  void wait_until_read(size_t channel, int64_t segment, const StopToken& stop);

  std::atomic<bool> stopping = false;
  std::atomic<uint64_t> bytes_received = 0;  ///< Of all subscribers.

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::vector<size_t>> finished_;  ///< [channel][segment]: how many readers.
  std::vector<size_t> readers_;                ///< [channel].
};

struct LoadResult {
  Histogram delays;  ///< From before the send of a chunk to the receipt of its last byte.
  uint64_t deliveries = 0;
  uint64_t bytes = 0;
  uint64_t lost_bytes = 0;   ///< Published while a subscriber was there, and it did not get them.
  uint64_t wrong_bytes = 0;  ///< Got, and not what belongs there.
  uint64_t subscribers_cut = 0;
  std::chrono::nanoseconds late{0};  ///< The most that a publisher was behind its schedule.
  double seconds = 0;                ///< From the first byte published to the last received.
};

/// What is told while a load runs.
struct LoadHooks {
  std::function<void()> all_waiting;    ///< Every subscriber has asked, nothing is published yet.
  std::function<void()> published_all;  ///< The last byte was sent; channels and readers are still there.
  std::function<void()> received_all;
};

/// Runs a load from the creation of its channels to their DELETE.
/// \return kNetwork when the server can't be reached or fails a publisher, kCancelled.
Result<LoadResult> run_load(const LoadOptions& options, const ServerAddress& server, const LoadHooks& hooks,
                            const StopToken& stop);

}  // namespace trickle::bench
