// What waits between two threads of a chain: few pictures, and the sound between them.
//
// Its limit counts pictures. When they are as many as may wait, the writer waits. Where the oldest may be
// dropped instead (counted as Drop::kLag), that is done by time: each that has waited for half a second goes,
// and the limit is no less than what comes at once after a pause, which is no lag. Sound is never dropped; it
// makes the writer wait only when absurdly much of it is there.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "base/counters.h"
#include "io/clock.h"
#include "media/frame_stream.h"

namespace trickle::pipeline {

/// One thread writes, one reads; wake() may be called from any.
class FrameQueue {
 public:
  enum class WhenFull { kWait, kDropOldest };
  enum class Got {
    kItem,
    kWoken,  ///< wake() was called since the last pop().
    kEnd,    ///< The writer has ended and nothing is left.
  };

  FrameQueue(size_t pictures, WhenFull when_full, Counters& counters, const Clock& clock = system_clock())
      : limit_(std::max<size_t>(pictures, when_full == WhenFull::kWait ? 1 : kLeastWhereDropped)),
        when_full_(when_full),
        counters_(counters),
        clock_(clock) {}

  /// \return false when the reader has closed the queue.
  bool push(FrameItem item) {
    const bool picture = is_picture(item);
    std::unique_lock lock(mutex_);
    const auto has_room = [&] {
      return closed_ || (picture ? came_.size() < limit_ : items_.size() < kMostItems);
    };
    if (picture && when_full_ == WhenFull::kDropOldest) {
      drop_late();
      while (!has_room() && !room_.wait_for(lock, came_.front() + kLongestWait - clock_.now(), has_room))
        drop_late();
    }
    room_.wait(lock, has_room);
    if (closed_) return false;
    if (picture) came_.push_back(clock_.now());
    items_.push_back(std::move(item));
    counters_.queue_depth.store(came_.size(), std::memory_order_relaxed);
    there_.notify_one();
    return true;
  }
  /// The writer's last call.
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    there_.notify_one();
  }
  /// Waits for the next item, the end, or a wake().
  Got pop(std::optional<FrameItem>& item) {
    std::unique_lock lock(mutex_);
    there_.wait(lock, [&] { return woken_ || ended_ || !items_.empty(); });
    if (std::exchange(woken_, false)) return Got::kWoken;
    if (items_.empty()) return Got::kEnd;
    item.emplace(std::move(items_.front()));
    items_.pop_front();
    if (is_picture(*item)) came_.pop_front();
    counters_.queue_depth.store(came_.size(), std::memory_order_relaxed);
    room_.notify_one();
    return Got::kItem;
  }
  void wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    there_.notify_one();
  }
  /// The reader's last call: what waits, and what still comes, is let go.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    items_.clear();
    came_.clear();
    room_.notify_one();
  }

 private:
  static constexpr size_t kMostItems = 4096;
  static constexpr size_t kLeastWhereDropped = 64;
  static constexpr std::chrono::milliseconds kLongestWait{500};
  static bool is_picture(const FrameItem& item) { return std::holds_alternative<VideoItem>(item); }

  void drop_late() {
    while (!came_.empty() && clock_.now() - came_.front() >= kLongestWait) {
      items_.erase(std::ranges::find_if(items_, is_picture));
      came_.pop_front();
      counters_.drop(Drop::kLag);
    }
  }

  const size_t limit_;
  const WhenFull when_full_;
  Counters& counters_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable there_, room_;
  std::deque<FrameItem> items_;
  std::deque<TimePoint> came_;  // When each of the pictures did.
  bool ended_ = false, closed_ = false, woken_ = false;
};

}  // namespace trickle::pipeline
