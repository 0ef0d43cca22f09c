// Many subscribers on one epoll loop. Private to lib/bench.
#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "bench/load.h"

namespace trickle::bench {

/// The subscribers of one thread. They are made and connected by whoever makes this; run() then reads for
/// them.
class Subscribers {
 public:
  explicit Subscribers(LoadShared& shared);
  ~Subscribers();

  /// Connects a subscriber of `channel` and asks for segment 0. A stalled one never reads. \return kNetwork.
  Result<void> add(size_t channel, bool stalled);
  /// Reads until shared.stopping.
  void run();

  struct Totals {
    Histogram delays;
    std::vector<uint64_t> received_bytes;  ///< Of each subscriber that reads, in the order of channels().
    uint64_t wrong_bytes = 0;
    uint64_t cut = 0;
  };
  /// Not while run() runs.
  [[nodiscard]] Totals totals() const;
  /// The channel of each subscriber that reads.
  [[nodiscard]] std::vector<size_t> channels() const;

 private:
  class Subscriber;
  void ask_due();

  LoadShared& shared_;
  UniqueFd epoll_;
  Histogram delays_;
  std::vector<char> buffer_;
  std::deque<std::pair<Subscriber*, TimePoint>> asking_;  ///< Want to ask for their next segment, since when.
  std::vector<std::unique_ptr<Subscriber>> subscribers_;
  std::vector<UniqueFd> stalled_;
};

}  // namespace trickle::bench
