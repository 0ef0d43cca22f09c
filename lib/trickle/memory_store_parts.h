// The inner classes of MemoryStore, for its two source files.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "trickle/memory_store.h"
#include "trickle/rate_meter.h"

namespace trickle {

struct MemoryStore::Channel {
  explicit Channel(TimePoint now)
      : made(now), last_write(now), byte_rate(now), segment_rate(now), out_rate(now) {}

  std::shared_ptr<ChannelHead> head;
  std::map<SegmentNumber, SegmentPtr> segments;
  ChangeListeners listeners;
  size_t window = 0;
  bool permanent = false;
  bool uncapped = false;
  size_t closed_segments = 0;  ///< How many of `segments` may be evicted for room.
  size_t written = 0;          ///< How many of `segments` count for the window.
  SegmentNumber highest_evicted = -1;
  uint64_t footprint_bytes = 0;  ///< Of its segments.
  uint64_t bytes_in = 0;
  TimePoint made;
  TimePoint last_write;
  RateMeter byte_rate;
  RateMeter segment_rate;
  mutable RateMeter out_rate;
  mutable uint64_t bytes_out_rated = 0;  ///< Of what readers were sent, so much is in the rate.

  /// Below this, what is not there counts as closed.
  [[nodiscard]] SegmentNumber oldest_acceptable() const {
    return std::max(highest_evicted + 1, head->next - static_cast<SegmentNumber>(window));
  }
  /// Takes into the rate what readers were sent since the last time. Readers themselves only add up, so this
  /// is for moments that come often enough.
  void rate_bytes_out(TimePoint now) const;
  /// \return the number that is meant, -1 when it is before the first.
  [[nodiscard]] SegmentNumber resolve(ReadSelector selector) const;
};

/// Between a writer and a notice that is on its way to its listener: null once the writer is gone, or was
/// told.
struct WriterLink {
  WriterListener* listener;
};

class MemoryStore::Writer final : public SegmentWriter {
 public:
  Writer(MemoryStore& store, ChannelPtr channel, SegmentPtr segment, WriterListener& listener);
  ~Writer() override;
  SegmentNumber number() const override { return number_; }
  bool channel_closed() const override { return head_->closed; }
  AppendStatus append(std::span<const char> bytes) override;
  void finish() override;

  /// The segment is no longer its own, and it holds on to none of its bytes.
  void detach();
  [[nodiscard]] const std::shared_ptr<WriterLink>& link() const { return link_; }

 private:
  MemoryStore& store_;
  SegmentNumber number_;
  std::shared_ptr<const ChannelHead> head_;
  ChannelPtr channel_;  ///< Null once detached, as is the segment.
  SegmentPtr segment_;
  std::shared_ptr<WriterLink> link_;
};

struct MemoryStore::Notices {
  std::vector<std::pair<std::shared_ptr<WriterLink>, WriterEnd>> writers;
  std::vector<SegmentPtr> segments;
  std::vector<ChannelPtr> channels;
  std::vector<std::pair<std::string, bool>> changes;

  [[nodiscard]] bool empty() const {
    return writers.empty() && segments.empty() && channels.empty() && changes.empty();
  }
};

class MemoryStore::Transaction {
 public:
  explicit Transaction(MemoryStore& store);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

 private:
  MemoryStore& store_;
};

}  // namespace trickle
