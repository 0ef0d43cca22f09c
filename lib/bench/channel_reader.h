// Reads a channel of a trickle server from its first segment on, in a thread, and notes when what came.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "bench/tcp.h"
#include "io/clock.h"

namespace trickle::bench {

class ChannelReader {
 public:
  /// Called on the reader's thread with each piece of a body.
  using Take = std::function<void(std::span<const uint8_t> bytes, TimePoint now)>;

  /// Asks for segment 0, 1, … of `channel`, each on the same connection as soon as the one before has ended;
  /// a channel that does not exist yet is asked for again.
  ChannelReader(ServerAddress server, std::string channel, Take take);
  /// Ends the thread.
  ~ChannelReader();
  ChannelReader(const ChannelReader&) = delete;
  ChannelReader& operator=(const ChannelReader&) = delete;

  /// The channel was closed, and all of it has been read.
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  void run();
  // False when the connection is of no more use.
  bool read_segment(int fd, int64_t number);

  const ServerAddress server_;
  const std::string channel_;
  const Take take_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> ended_{false};
  int64_t next_ = 0;
  std::thread thread_;
};

}  // namespace trickle::bench
