// MemoryStore: the life of segments and their writers, room for them, and who is told.
#include <algorithm>

#include "trickle/memory_store_parts.h"

namespace trickle {
namespace {

// A pointer, in a list that may be half empty.
constexpr uint64_t kChunkCopyBytes = 2 * sizeof(http::ChunkPtr);

}  // namespace

SegmentNumber MemoryStore::Channel::resolve(ReadSelector selector) const {
  switch (selector.kind) {
    case ReadSelector::Kind::kNumber:
      return selector.value;
    case ReadSelector::Kind::kFromEnd: {
      const SegmentNumber number = head->next - (selector.value - 1);
      return selector.value == 2 ? std::max<SegmentNumber>(number, 0) : std::max<SegmentNumber>(number, -1);
    }
    case ReadSelector::Kind::kOldest:
      break;
  }
  for (const auto& [number, segment] : segments) {
    if (segment->state() != SegmentState::kWaiting) return number;
  }
  return head->next;
}

void MemoryStore::Channel::rate_bytes_out(TimePoint now) const {
  const uint64_t sent = head->bytes_out->load(std::memory_order_relaxed);
  out_rate.add(static_cast<double>(sent - std::exchange(bytes_out_rated, sent)), now);
}

MemoryStore::Transaction::Transaction(MemoryStore& store) : store_(store) { ++store_.depth_; }

// The depth stays above zero while listeners are told, so that what they change is told by this same loop.
MemoryStore::Transaction::~Transaction() {
  while (store_.depth_ == 1 && !store_.notices_->empty()) {
    const Notices notices = std::exchange(*store_.notices_, {});
    for (const auto& [link, why] : notices.writers) {
      if (auto* listener = std::exchange(link->listener, nullptr)) listener->on_writer_ended(why);
    }
    for (const auto& segment : notices.segments) segment->listeners().notify();
    for (const auto& channel : notices.channels) channel->listeners.notify();
    for (const auto& [name, added] : notices.changes) {
      if (store_.observer_) store_.observer_(name, added);
    }
  }
  --store_.depth_;
}

MemoryStore::Writer::Writer(MemoryStore& store, ChannelPtr channel, SegmentPtr segment,
                            WriterListener& listener)
    : store_(store),
      number_(segment->number()),
      head_(channel->head),
      channel_(std::move(channel)),
      segment_(std::move(segment)),
      link_(std::make_shared<WriterLink>(WriterLink{&listener})) {
  segment_->set_writer(this);
}

MemoryStore::Writer::~Writer() {
  link_->listener = nullptr;
  if (!segment_) return;
  const auto channel = channel_;
  const auto segment = segment_;
  detach();
  store_.forget_if_unused(*channel, segment);
}

void MemoryStore::Writer::detach() {
  segment_->set_writer(nullptr);
  segment_.reset();
  channel_.reset();
}

AppendStatus MemoryStore::Writer::append(std::span<const char> bytes) {
  const Transaction transaction(store_);
  const auto channel = channel_;
  const auto segment = segment_;
  if (segment) return store_.append(*channel, segment, bytes);
  store_.totals_.discarded_bytes += bytes.size();
  return AppendStatus::kDiscarded;
}

void MemoryStore::Writer::finish() {
  const Transaction transaction(store_);
  if (!segment_) return;
  const auto channel = channel_;
  const auto segment = segment_;
  detach();
  store_.close_segment(*channel, segment);
}

MemoryStore::SegmentPtr MemoryStore::add_segment(Channel& channel, SegmentNumber number) {
  auto segment = std::make_shared<Segment>(channel.head, number);
  channel.segments.emplace(number, segment);
  account(channel, Segment::kOverheadBytes, 0);
  return segment;
}

AppendStatus MemoryStore::append(Channel& channel, const SegmentPtr& segment, std::span<const char> bytes) {
  const TimePoint now = clock_.now();
  auto chunk = std::make_shared<const http::Chunk>(bytes, now);
  const uint64_t footprint = chunk->footprint_bytes() + limits_.copies * kChunkCopyBytes;
  AppendStatus refusal = AppendStatus::kSegmentFull;
  if (segment->size_bytes() + bytes.size() > limits_.max_segment_bytes ||
      !make_room(channel, footprint, refusal)) {
    static_cast<Writer*>(segment->writer())->detach();
    close_segment(channel, segment);
    return refusal;
  }
  if (segment->state() == SegmentState::kWaiting) {
    segment->set_state(SegmentState::kOpen);
    segment->set_begun_at(now);
    count_as_written(channel, *segment);
  }
  segment->append(std::move(chunk), footprint);
  channel.last_write = now;
  account(channel, static_cast<int64_t>(footprint), 0);
  channel.bytes_in += bytes.size();
  channel.byte_rate.add(static_cast<double>(bytes.size()), now);
  channel.rate_bytes_out(now);
  totals_.bytes_in += bytes.size();
  notices_->segments.push_back(segment);
  return AppendStatus::kTaken;
}

void MemoryStore::close_segment(Channel& channel, const SegmentPtr& segment) {
  const bool was_waiting = segment->state() == SegmentState::kWaiting;
  segment->set_state(SegmentState::kClosed);
  segment->set_ended_at(clock_.now());
  account(channel, 0, 1);
  end_writer(*segment, WriterEnd::kSegmentClosed);
  if (was_waiting) count_as_written(channel, *segment);
  channel.last_write = clock_.now();
  channel.segment_rate.add(1, clock_.now());
  ++totals_.segments_closed;
  notices_->segments.push_back(segment);
  if (!channel.listeners.empty()) notices_->channels.push_back(lookup(*channel.head));
}

void MemoryStore::count_as_written(Channel& channel, const Segment& segment) {
  ++channel.written;
  channel.head->next = std::max(channel.head->next, segment.number() + 1);
  evict_beyond_window(channel);
  if (!channel.listeners.empty()) notices_->channels.push_back(lookup(*channel.head));
}

void MemoryStore::evict(Channel& channel, SegmentPtr segment) {
  if (segment->state() != SegmentState::kWaiting) {
    --channel.written;
    channel.highest_evicted = std::max(channel.highest_evicted, segment->number());
    ++totals_.segments_evicted;
  }
  channel.segments.erase(segment->number());
  account(channel, -static_cast<int64_t>(segment->footprint_bytes()),
          segment->state() == SegmentState::kClosed ? -1 : 0);
  segment->set_state(SegmentState::kEvicted);
  end_writer(*segment, WriterEnd::kSegmentClosed);
  notices_->segments.push_back(std::move(segment));
}

void MemoryStore::evict_beyond_window(Channel& channel) {
  const auto is_written = [](const auto& entry) { return entry.second->state() != SegmentState::kWaiting; };
  while (channel.written > channel.window) {
    evict(channel, std::find_if(channel.segments.begin(), channel.segments.end(), is_written)->second);
  }
  // What is left before the window was never written, and no longer may be.
  while (!channel.segments.empty()) {
    const auto& [number, segment] = *channel.segments.begin();
    if (is_written(*channel.segments.begin()) || number >= channel.oldest_acceptable()) return;
    evict(channel, segment);
  }
}

bool MemoryStore::evict_oldest_closed(Channel& channel) {
  const auto oldest = std::find_if(channel.segments.begin(), channel.segments.end(), [](const auto& entry) {
    return entry.second->state() == SegmentState::kClosed;
  });
  if (oldest == channel.segments.end()) return false;
  evict(channel, oldest->second);
  return true;
}

void MemoryStore::evict_orphan() {
  const SegmentPtr segment = orphans_.begin()->second;
  orphans_.erase(orphans_.begin());
  footprint_bytes_ -= segment->footprint_bytes();
  segment->set_state(SegmentState::kEvicted);
  ++totals_.segments_evicted;
  notices_->segments.push_back(segment);
}

// Closed segments go: first those of channels that have ended, then the oldest ones of the largest channel.
bool MemoryStore::free_memory(uint64_t bytes) {
  while (footprint_bytes_ + bytes > limits_.memory_bytes) {
    if (!orphans_.empty()) {
      evict_orphan();
    } else if (evictable_.empty() || !evict_oldest_closed(*evictable_.rbegin()->second)) {
      return false;
    }
  }
  return true;
}

bool MemoryStore::make_room(Channel& channel, uint64_t bytes, AppendStatus& refusal) {
  if (channel.uncapped) return true;
  refusal = AppendStatus::kSegmentFull;
  while (channel.footprint_bytes + bytes > limits_.max_channel_bytes) {
    if (!evict_oldest_closed(channel)) return false;
  }
  refusal = AppendStatus::kOutOfMemory;
  return free_memory(bytes);
}

// The one place where what a channel keeps changes.
void MemoryStore::account(Channel& channel, int64_t bytes, int closed_segments) {
  const bool was_evictable = channel.closed_segments > 0 && !channel.uncapped;
  auto entry = was_evictable ? evictable_.extract({channel.footprint_bytes, &channel})
                             : decltype(evictable_)::node_type();
  channel.footprint_bytes += static_cast<uint64_t>(bytes);
  footprint_bytes_ += static_cast<uint64_t>(bytes);
  channel.closed_segments += static_cast<size_t>(closed_segments);
  if (channel.closed_segments == 0 || channel.uncapped) return;
  if (entry.empty()) {
    evictable_.emplace(channel.footprint_bytes, &channel);
  } else {
    entry.value() = {channel.footprint_bytes, &channel};
    evictable_.insert(std::move(entry));
  }
}

void MemoryStore::end_writer(Segment& segment, WriterEnd why) {
  if (segment.writer() == nullptr) return;
  auto* writer = static_cast<Writer*>(segment.writer());
  writer->detach();
  notices_->writers.emplace_back(writer->link(), why);
}

void MemoryStore::forget_if_unused(Channel& channel, const SegmentPtr& segment) {
  if (segment->state() != SegmentState::kWaiting || segment->writer() || !segment->listeners().empty())
    return;
  const auto found = channel.segments.find(segment->number());
  if (found == channel.segments.end() || found->second != segment) return;
  channel.segments.erase(found);
  account(channel, -static_cast<int64_t>(segment->footprint_bytes()), 0);
}

}  // namespace trickle
