// A segment as the relay keeps it: numbered, made of immutable chunks, read by any number of cursors.
//
//                   first byte                body ends, DELETE, Reset above it,
//    ┌─────────┐   (next = N+1)   ┌──────┐    byte cap, channel closes             ┌────────┐
//    │ waiting │ ───────────────▶ │ open │ ──────────────────────────────────────▶ │ closed │
//    └─────────┘                  └──────┘                                         └────────┘
//         │  │        closes empty (next = N+1)        │                               ▲ │
//         │  └─────────────────────────────────────────┼───────────────────────────────┘ │
//         │   far below next                           │  more than `window` newer ones, │
//         ▼                                            ▼  or memory is needed            ▼
//    ┌───────────────────────────────────────────────────────────────────────────────────────┐
//    │ evicted: bytes gone, readers cut off, its number answers 470 and counts as closed     │
//    └───────────────────────────────────────────────────────────────────────────────────────┘
//
// Waiting: precreated by a reader or a preconnected writer; forgotten when the last of them leaves. Open
// without a writer (it vanished): stays as it is, and a POST of the same number goes on with it.
#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "http/chunk.h"
#include "io/clock.h"

namespace trickle {

using SegmentNumber = int64_t;

enum class SegmentState { kWaiting, kOpen, kClosed, kEvicted };

/// What the segments of a channel, and whoever holds them after its end, know of it.
struct ChannelHead {
  std::string name;
  std::string content_type;
  uint64_t id = 0;  ///< Of its store no other channel has it, nor one of the same name before or after.
  SegmentNumber next = 0;  ///< Number of the next write. Never goes back.
  bool closed = false;     ///< Nothing more will come.
  /// What readers have been sent. Each adds to it, on whatever thread.
  std::shared_ptr<std::atomic<uint64_t>> bytes_out = std::make_shared<std::atomic<uint64_t>>(0);
};

/// Is told when something changed. Leaves the list by itself when it is destroyed, also from within a call.
class ChangeListener
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual void on_change() = 0;
  /// For how many readers it listens.
  [[nodiscard]] virtual size_t readers() const { return 1; }

 protected:
  ~ChangeListener() = default;
};

class ChangeListeners {
 public:
  void add(ChangeListener& listener) { list_.push_back(listener); }
  [[nodiscard]] bool empty() const { return list_.empty(); }
  /// Counts them one by one.
  [[nodiscard]] size_t readers() const;
  /// Calls each listener once. They may leave, and others may come, while it runs.
  void notify();

 private:
  using List = boost::intrusive::list<ChangeListener, boost::intrusive::constant_time_size<false>>;
  List list_;
};

class SegmentWriter;

/// Not thread-safe: it belongs to the thread of its store.
class Segment {
 public:
  /// A segment without bytes, with its place in a channel and whoever waits for it.
  static constexpr uint64_t kOverheadBytes = 256;

  Segment(std::shared_ptr<const ChannelHead> channel, SegmentNumber number)
      : channel_(std::move(channel)), number_(number) {}

  [[nodiscard]] const ChannelHead& channel() const { return *channel_; }
  [[nodiscard]] const std::shared_ptr<const ChannelHead>& shared_channel() const { return channel_; }
  [[nodiscard]] SegmentNumber number() const { return number_; }
  [[nodiscard]] SegmentState state() const { return state_; }
  [[nodiscard]] bool ended() const {
    return state_ == SegmentState::kClosed || state_ == SegmentState::kEvicted;
  }
  [[nodiscard]] uint64_t size_bytes() const { return size_bytes_; }
  /// What it costs in memory, kOverheadBytes at least.
  [[nodiscard]] uint64_t footprint_bytes() const { return footprint_bytes_; }
  [[nodiscard]] std::span<const http::ChunkPtr> chunks() const { return chunks_; }
  [[nodiscard]] ChangeListeners& listeners() { return listeners_; }
  [[nodiscard]] SegmentWriter* writer() const { return writer_; }
  /// When its first byte came, and when it ended. Only of use in those states.
  [[nodiscard]] TimePoint begun_at() const { return begun_at_; }
  [[nodiscard]] TimePoint ended_at() const { return ended_at_; }

  // For stores.
  /// \param footprint_bytes  what the chunk costs in memory.
  void append(http::ChunkPtr chunk, uint64_t footprint_bytes);
  /// Takes over what has become of `original`, of which this has been a copy from its beginning. The bytes
  /// are shared, not copied; listeners are neither copied nor told.
  void catch_up_with(const Segment& original);
  /// Moves on in the picture above; eviction frees the bytes.
  void set_state(SegmentState state);
  void set_writer(SegmentWriter* writer) { writer_ = writer; }
  void set_begun_at(TimePoint now) { begun_at_ = now; }
  void set_ended_at(TimePoint now) { ended_at_ = now; }

 private:
  std::shared_ptr<const ChannelHead> channel_;
  SegmentNumber number_;
  SegmentState state_ = SegmentState::kWaiting;
  uint64_t size_bytes_ = 0;
  uint64_t footprint_bytes_ = kOverheadBytes;
  std::vector<http::ChunkPtr> chunks_;
  ChangeListeners listeners_;
  SegmentWriter* writer_ = nullptr;
  TimePoint begun_at_;
  TimePoint ended_at_;
};

}  // namespace trickle
