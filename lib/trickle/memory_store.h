// The store that keeps its channels in memory. Private to lib/trickle; made by make_memory_store().
#pragma once

#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "trickle/channel_store.h"

namespace trickle {

class MemoryStore final : public ChannelStore {
 public:
  MemoryStore(StoreLimits limits, const Clock& clock);
  ~MemoryStore() override;

  void set_observer(Observer observer) override { observer_ = std::move(observer); }
  CreateStatus create(std::string_view name, ChannelOptions options, bool may_create) override;
  WriteGrant open_write(const WriteRequest& request, WriterListener& listener) override;
  ReadGrant open_read(std::string_view name, ReadSelector selector) override;
  void release(const std::shared_ptr<Segment>& segment) override;
  std::shared_ptr<Segment> follow(const std::shared_ptr<Segment>& current) override;
  void listen(const ChannelHead& head, ChangeListener& listener) override;
  KeptSegments kept(const ChannelHead& head, SegmentNumber above) const override;
  std::shared_ptr<const ChannelHead> find(std::string_view name) const override;
  CloseStatus close_segment(std::string_view name, SegmentNumber number) override;
  bool remove(std::string_view name) override;
  void sweep() override;
  void begin_shutdown() override;
  bool writing() const override;
  void end_shutdown() override;
  std::vector<ChannelReport> report() const override;
  StoreTotals totals() const override;

 private:
  class Writer;
  struct Channel;
  using ChannelPtr = std::shared_ptr<Channel>;
  using SegmentPtr = std::shared_ptr<Segment>;

  // Collects what changed during a public call and tells the listeners when the outermost one ends.
  class Transaction;

  [[nodiscard]] ChannelPtr lookup(std::string_view name) const;
  [[nodiscard]] ChannelPtr lookup(const ChannelHead& head) const;
  ChannelPtr add_channel(std::string_view name, ChannelOptions options);
  void end_channel(const ChannelPtr& channel);
  void end_segments(Channel& channel);
  ChannelPtr channel_for_write(const WriteRequest& request, WriteStatus& refusal);
  /// `next` of a channel of that name that was deleted a moment ago.
  [[nodiscard]] std::optional<SegmentNumber> tombstone_of(std::string_view name) const;
  void bury(const ChannelHead& channel);
  void forget_tombstones();
  /// What a channel costs in memory without its segments.
  [[nodiscard]] uint64_t channel_footprint_bytes(std::string_view content_type) const;
  [[nodiscard]] bool restarts(const Channel& channel, SegmentNumber number, bool reset) const;
  [[nodiscard]] bool accepts(const Channel& channel, SegmentNumber number) const;

  SegmentPtr add_segment(Channel& channel, SegmentNumber number);
  void close_segment(Channel& channel, const SegmentPtr& segment);
  void count_as_written(Channel& channel, const Segment& segment);
  void evict(Channel& channel, SegmentPtr segment);
  void evict_beyond_window(Channel& channel);
  bool make_room(Channel& channel, uint64_t bytes, AppendStatus& refusal);
  bool free_memory(uint64_t bytes);
  bool evict_oldest_closed(Channel& channel);
  void evict_orphan();
  void account(Channel& channel, int64_t bytes, int closed_segments);
  void end_writer(Segment& segment, WriterEnd why);
  void forget_if_unused(Channel& channel, const SegmentPtr& segment);

  AppendStatus append(Channel& channel, const SegmentPtr& segment, std::span<const char> bytes);
  void finish(Channel& channel, const SegmentPtr& segment);

  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  template <typename Value>
  using ByName = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

  StoreLimits limits_;
  const Clock& clock_;
  Observer observer_;
  ByName<ChannelPtr> channels_;
  struct Tombstone {
    TimePoint until;
    SegmentNumber next;
  };
  ByName<Tombstone> tombstones_;
  std::deque<std::pair<TimePoint, std::string>> tombstones_by_age_;
  /// What readers still have before them of channels that ended. The first to go when memory is needed.
  std::unordered_map<const Segment*, SegmentPtr> orphans_;
  /// Those channels that could give room, by what they keep.
  std::set<std::pair<uint64_t, Channel*>> evictable_;
  bool shutting_down_ = false;
  uint64_t footprint_bytes_ = 0;
  uint64_t last_channel_id_ = 0;
  StoreTotals totals_;

  int depth_ = 0;  ///< Of transactions.
  struct Notices;
  std::unique_ptr<Notices> notices_;
};

}  // namespace trickle
