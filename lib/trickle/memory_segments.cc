// MemoryStore: the life of segments and their writers, room for them, and who is told.
#include <algorithm>

#include "trickle/memory_store_parts.h"

namespace trickle {

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
      channel_(std::move(channel)),
      segment_(std::move(segment)),
      link_(std::make_shared<WriterLink>(WriterLink{&listener})) {
  segment_->set_writer(this);
}

MemoryStore::Writer::~Writer() {
  link_->listener = nullptr;
  if (!attached_) return;
  detach();
  store_.forget_if_unused(*channel_, segment_);
}

void MemoryStore::Writer::detach() {
  attached_ = false;
  segment_->set_writer(nullptr);
}

AppendStatus MemoryStore::Writer::append(std::span<const char> bytes) {
  const Transaction transaction(store_);
  if (attached_) return store_.append(*channel_, segment_, bytes);
  store_.totals_.discarded_bytes += bytes.size();
  return AppendStatus::kDiscarded;
}

void MemoryStore::Writer::finish() {
  const Transaction transaction(store_);
  if (!attached_) return;
  detach();
  store_.close_segment(*channel_, segment_);
}

MemoryStore::SegmentPtr MemoryStore::add_segment(Channel& channel, SegmentNumber number) {
  auto segment = std::make_shared<Segment>(channel.head, number);
  channel.segments.emplace(number, segment);
  return segment;
}

AppendStatus MemoryStore::append(Channel& channel, const SegmentPtr& segment, std::span<const char> bytes) {
  auto chunk = std::make_shared<const http::Chunk>(bytes);
  const uint64_t footprint = chunk->footprint_bytes();
  AppendStatus refusal = AppendStatus::kSegmentFull;
  if (segment->size_bytes() + bytes.size() > limits_.max_segment_bytes ||
      !make_room(channel, footprint, refusal)) {
    static_cast<Writer*>(segment->writer())->detach();
    close_segment(channel, segment);
    return refusal;
  }
  if (segment->state() == SegmentState::kWaiting) {
    segment->set_state(SegmentState::kOpen);
    count_as_written(channel, *segment);
  }
  segment->append(std::move(chunk));
  channel.last_write = clock_.now();
  channel.footprint_bytes += footprint;
  channel.bytes_in += bytes.size();
  footprint_bytes_ += footprint;
  totals_.bytes_in += bytes.size();
  notices_->segments.push_back(segment);
  return AppendStatus::kTaken;
}

void MemoryStore::close_segment(Channel& channel, const SegmentPtr& segment) {
  const bool was_waiting = segment->state() == SegmentState::kWaiting;
  segment->set_state(SegmentState::kClosed);
  end_writer(*segment, WriterEnd::kSegmentClosed);
  if (was_waiting) count_as_written(channel, *segment);
  channel.last_write = clock_.now();
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
  channel.footprint_bytes -= segment->footprint_bytes();
  footprint_bytes_ -= segment->footprint_bytes();
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

MemoryStore::Channel* MemoryStore::largest_channel() {
  Channel* largest = nullptr;
  for (const auto& [name, channel] : channels_) {
    const bool has_closed =
        std::any_of(channel->segments.begin(), channel->segments.end(), [](const auto& entry) {
          return entry.second->state() == SegmentState::kClosed && entry.second->footprint_bytes() > 0;
        });
    if (has_closed && (!largest || channel->footprint_bytes > largest->footprint_bytes))
      largest = channel.get();
  }
  return largest;
}

bool MemoryStore::make_room(Channel& channel, uint64_t bytes, AppendStatus& refusal) {
  const auto evict_oldest_closed = [this](Channel& victim) {
    for (const auto& [number, segment] : victim.segments) {
      if (segment->state() != SegmentState::kClosed) continue;
      evict(victim, segment);
      return true;
    }
    return false;
  };
  refusal = AppendStatus::kSegmentFull;
  while (channel.footprint_bytes + bytes > limits_.max_channel_bytes) {
    if (!evict_oldest_closed(channel)) return false;
  }
  refusal = AppendStatus::kOutOfMemory;
  while (footprint_bytes_ + bytes > limits_.memory_bytes) {
    Channel* victim = largest_channel();
    if (!victim || !evict_oldest_closed(*victim)) return false;
  }
  return true;
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
  if (found != channel.segments.end() && found->second == segment) channel.segments.erase(found);
}

}  // namespace trickle
