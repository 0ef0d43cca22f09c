// What waits between two threads of a chain: few pictures, and the sound between them.
//
// Its limit counts pictures. When they are as many as may wait, the writer waits, or the oldest picture goes
// (counted as Drop::kLag). Sound is never dropped; it makes the writer wait only when absurdly much of it is
// there.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "base/counters.h"
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

  FrameQueue(size_t pictures, WhenFull when_full, Counters& counters)
      : limit_(std::max<size_t>(pictures, 1)), when_full_(when_full), counters_(counters) {}

  /// \return false when the reader has closed the queue.
  bool push(FrameItem item) {
    const bool picture = is_picture(item);
    std::unique_lock lock(mutex_);
    if (picture && when_full_ == WhenFull::kDropOldest) {
      while (pictures_ >= limit_) drop_oldest();
    }
    room_.wait(lock, [&] { return closed_ || (picture ? pictures_ < limit_ : items_.size() < kMostItems); });
    if (closed_) return false;
    pictures_ += picture ? 1 : 0;
    items_.push_back(std::move(item));
    counters_.queue_depth.store(pictures_, std::memory_order_relaxed);
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
    pictures_ -= is_picture(*item) ? 1 : 0;
    counters_.queue_depth.store(pictures_, std::memory_order_relaxed);
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
    room_.notify_one();
  }

 private:
  static constexpr size_t kMostItems = 4096;
  static bool is_picture(const FrameItem& item) { return std::holds_alternative<VideoItem>(item); }

  void drop_oldest() {
    items_.erase(std::ranges::find_if(items_, is_picture));
    --pictures_;
    counters_.drop(Drop::kLag);
  }

  const size_t limit_;
  const WhenFull when_full_;
  Counters& counters_;
  std::mutex mutex_;
  std::condition_variable there_, room_;
  std::deque<FrameItem> items_;
  size_t pictures_ = 0;
  bool ended_ = false, closed_ = false, woken_ = false;
};

}  // namespace trickle::pipeline
