// One publisher of a load, on a thread of its own. Private to lib/bench.
#pragma once

#include <array>

#include "bench/load.h"

namespace trickle::bench {

/// Two connections that take turns: while one segment is sent the POST of the next is open already.
class LoadPublisher {
 public:
  LoadPublisher(LoadShared& shared, size_t channel) : shared_(shared), channel_(channel) {}

  /// Publishes from `start` until `end` and finishes its last segment.
  /// \return kNetwork when the server refuses or fails a POST.
  Result<void> run(TimePoint start, TimePoint end, const StopToken& stop);

  [[nodiscard]] uint64_t sent_bytes() const { return sent_bytes_; }
  [[nodiscard]] Duration late() const { return late_; }

 private:
  struct Link {
    UniqueFd fd;
    AnswerReader answer;
    bool open = false;  ///< A POST was begun and its answer has not been read.
  };
  Link& link_of(int64_t segment) { return links_[static_cast<size_t>(segment) % 2]; }
  Result<void> open_segment(int64_t segment);
  Result<void> await_predecessors(int64_t segment, const StopToken& stop);
  Result<void> send_chunk(int64_t segment, uint64_t index);
  Result<void> await_answer(Link& link);

  LoadShared& shared_;
  size_t channel_;
  std::array<Link, 2> links_;
  std::string framed_;
  uint64_t sent_bytes_ = 0;
  Duration late_{0};
};

}  // namespace trickle::bench
