// MemoryStore: what requests ask for. The life of its segments is in memory_segments.cc.
#include "trickle/memory_store.h"

#include <algorithm>
#include <limits>

#include "trickle/memory_store_parts.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;

constexpr auto kTombstoneTime = 60s;
// So that making and deleting channels all day takes no memory: beyond it the oldest are forgotten early.
constexpr size_t kMaxTombstones = 10'000;
constexpr uint64_t kChannelOverheadBytes = 1024;
constexpr uint64_t kChannelCopyBytes = 320;
// A publisher that starts over without saying so is believed when nothing was going on for this long.
constexpr auto kRestartSilence = 5s;

}  // namespace

std::unique_ptr<ChannelStore> make_memory_store(StoreLimits limits, const Clock& clock) {
  return std::make_unique<MemoryStore>(limits, clock);
}

MemoryStore::MemoryStore(StoreLimits limits, const Clock& clock)
    : limits_(limits), clock_(clock), notices_(std::make_unique<Notices>()) {}

MemoryStore::~MemoryStore() = default;

uint64_t MemoryStore::channel_footprint_bytes(std::string_view content_type) const {
  return kChannelOverheadBytes + content_type.size() +
         limits_.copies * (kChannelCopyBytes + content_type.size());
}

MemoryStore::ChannelPtr MemoryStore::lookup(std::string_view name) const {
  const auto found = channels_.find(name);
  return found == channels_.end() ? nullptr : found->second;
}

MemoryStore::ChannelPtr MemoryStore::lookup(const ChannelHead& head) const {
  auto channel = lookup(head.name);
  return channel && channel->head.get() == &head ? channel : nullptr;
}

std::shared_ptr<const ChannelHead> MemoryStore::find(std::string_view name) const {
  const auto channel = lookup(name);
  return channel ? channel->head : nullptr;
}

MemoryStore::ChannelPtr MemoryStore::add_channel(std::string_view name, ChannelOptions options) {
  auto channel = std::make_shared<Channel>(clock_.now());
  channel->head = std::make_shared<ChannelHead>();
  channel->head->name = name;
  channel->head->content_type = options.content_type;
  channel->head->id = ++last_channel_id_;
  channel->window = options.window > 0 ? options.window : limits_.window;
  channel->permanent = options.permanent;
  channel->uncapped = options.uncapped;
  channels_.emplace(name, channel);
  footprint_bytes_ += channel_footprint_bytes(channel->head->content_type);
  if (const auto tombstone = tombstones_.find(name); tombstone != tombstones_.end())
    tombstones_.erase(tombstone);
  notices_->changes.emplace_back(name, true);
  return channel;
}

void MemoryStore::end_channel(const ChannelPtr& channel) {
  channel->head->closed = true;
  end_segments(*channel);
  footprint_bytes_ -= channel_footprint_bytes(channel->head->content_type);
  notices_->channels.push_back(channel);
  notices_->changes.emplace_back(channel->head->name, false);
  channels_.erase(channel->head->name);
}

// Readers get what is there to its end, and as long as they need it, it counts.
void MemoryStore::end_segments(Channel& channel) {
  account(channel, -static_cast<int64_t>(channel.footprint_bytes),
          -static_cast<int>(channel.closed_segments));
  for (const auto& [number, segment] : std::exchange(channel.segments, {})) {
    end_writer(*segment, WriterEnd::kChannelClosed);
    if (!segment->ended()) {
      segment->set_state(SegmentState::kClosed);
      notices_->segments.push_back(segment);
    }
    if (segment->size_bytes() == 0 || segment->listeners().empty()) continue;
    footprint_bytes_ += segment->footprint_bytes();
    orphans_.emplace(segment.get(), segment);
  }
}

std::optional<SegmentNumber> MemoryStore::tombstone_of(std::string_view name) const {
  const auto found = tombstones_.find(name);
  if (found == tombstones_.end() || clock_.now() >= found->second.until) return std::nullopt;
  return found->second.next;
}

void MemoryStore::bury(const ChannelHead& channel) {
  const TimePoint until = clock_.now() + kTombstoneTime;
  tombstones_.insert_or_assign(channel.name, Tombstone{until, channel.next});
  tombstones_by_age_.emplace_back(until, channel.name);
  forget_tombstones();
}

void MemoryStore::forget_tombstones() {
  while (!tombstones_by_age_.empty()) {
    const auto& [until, name] = tombstones_by_age_.front();
    if (tombstones_by_age_.size() <= kMaxTombstones && clock_.now() < until) return;
    // A name that was made and deleted again since has a later one.
    if (const auto found = tombstones_.find(name); found != tombstones_.end() && found->second.until == until)
      tombstones_.erase(found);
    tombstones_by_age_.pop_front();
  }
}

CreateStatus MemoryStore::create(std::string_view name, ChannelOptions options, bool may_create) {
  const Transaction transaction(*this);
  if (shutting_down_) return CreateStatus::kShuttingDown;
  if (lookup(name)) return CreateStatus::kExists;
  if (!may_create) return CreateStatus::kNoChannel;
  if (channels_.size() >= limits_.max_channels) return CreateStatus::kTooManyChannels;
  if (!free_memory(channel_footprint_bytes(options.content_type))) return CreateStatus::kOutOfMemory;
  add_channel(name, std::move(options));
  return CreateStatus::kCreated;
}

// Numbers below `next` that may still be written: those inside the window that never were.
bool MemoryStore::accepts(const Channel& channel, SegmentNumber number) const {
  if (const auto found = channel.segments.find(number); found != channel.segments.end()) {
    return !found->second->ended();
  }
  return number >= channel.head->next || number >= channel.oldest_acceptable();
}

bool MemoryStore::restarts(const Channel& channel, SegmentNumber number, bool reset) const {
  if (number >= channel.head->next || accepts(channel, number)) return false;
  if (reset) return true;
  const bool writing = std::any_of(channel.segments.begin(), channel.segments.end(), [](const auto& entry) {
    return entry.second->state() == SegmentState::kOpen && entry.second->writer() != nullptr;
  });
  return !writing && clock_.now() - channel.last_write >= kRestartSilence;
}

MemoryStore::ChannelPtr MemoryStore::channel_for_write(const WriteRequest& request, WriteStatus& refusal) {
  refusal = WriteStatus::kShuttingDown;
  if (shutting_down_) return nullptr;
  auto channel = lookup(request.channel);
  ChannelOptions options;
  options.content_type = request.content_type;
  if (channel) {
    if (!request.number || !restarts(*channel, *request.number, request.reset)) return channel;
    if (options.content_type.empty()) options.content_type = channel->head->content_type;
    options.window = channel->window;
    options.permanent = channel->permanent;
    options.uncapped = channel->uncapped;
    end_channel(channel);
    return add_channel(request.channel, std::move(options));
  }
  refusal = WriteStatus::kNoChannel;
  const bool is_late = request.number.value_or(0) > 0 && !request.reset && tombstone_of(request.channel);
  if (!request.may_create || is_late) return nullptr;
  refusal = WriteStatus::kTooManyChannels;
  if (channels_.size() >= limits_.max_channels) return nullptr;
  refusal = WriteStatus::kOutOfMemory;
  if (!free_memory(channel_footprint_bytes(options.content_type))) return nullptr;
  return add_channel(request.channel, std::move(options));
}

WriteGrant MemoryStore::open_write(const WriteRequest& request, WriterListener& listener) {
  const Transaction transaction(*this);
  WriteGrant grant{};
  const auto channel = channel_for_write(request, grant.status);
  if (!channel) return grant;
  grant.number = request.number.value_or(channel->head->next);
  if (grant.number == std::numeric_limits<SegmentNumber>::max()) {
    grant.status = WriteStatus::kNoNumberLeft;
    return grant;
  }
  if (!accepts(*channel, grant.number)) {
    ++totals_.late_posts;
    grant.status = WriteStatus::kAlreadyClosed;
    return grant;
  }
  if (!channel->uncapped && !free_memory(Segment::kOverheadBytes)) {
    grant.status = WriteStatus::kOutOfMemory;
    return grant;
  }
  const auto found = channel->segments.find(grant.number);
  auto segment = found != channel->segments.end() ? found->second : add_segment(*channel, grant.number);
  if (request.reset) {
    const auto segments = channel->segments;  // Closing one may evict others.
    for (const auto& [number, older] : segments) {
      if (number < grant.number && !older->ended()) close_segment(*channel, older);
    }
  }
  end_writer(*segment, WriterEnd::kSuperseded);
  grant.status = WriteStatus::kGranted;
  grant.writer = std::make_unique<Writer>(*this, channel, std::move(segment), listener);
  return grant;
}

ReadGrant MemoryStore::open_read(std::string_view name, ReadSelector selector) {
  const auto channel = lookup(name);
  if (!channel) {
    const auto next = tombstone_of(name);
    return {ReadStatus::kNoChannel, nullptr, nullptr, next.value_or(0), next.has_value()};
  }
  const ChannelHead& head = *channel->head;
  const SegmentNumber number = channel->resolve(selector);
  ReadGrant grant{ReadStatus::kSegment, nullptr, channel->head, head.next};
  if (const auto found = channel->segments.find(number); found != channel->segments.end()) {
    grant.segment = found->second;
  } else if (!head.closed && (number == head.next || (head.next == 0 && number == 1))) {
    grant.segment = add_segment(*channel, number);
  } else {
    grant.status = ReadStatus::kNoSegment;
  }
  return grant;
}

void MemoryStore::release(const std::shared_ptr<Segment>& segment) {
  if (const auto orphan = orphans_.find(segment.get()); orphan != orphans_.end()) {
    if (!segment->listeners().empty()) return;
    footprint_bytes_ -= segment->footprint_bytes();
    orphans_.erase(orphan);
  } else if (const auto channel = lookup(segment->channel())) {
    forget_if_unused(*channel, segment);
  }
}

std::shared_ptr<Segment> MemoryStore::follow(const std::shared_ptr<Segment>& current) {
  const bool announced = current->state() == SegmentState::kWaiting && current->writer() != nullptr;
  const auto channel = lookup(current->channel());
  if (!channel || announced || current->state() == SegmentState::kOpen) return nullptr;
  for (auto entry = channel->segments.upper_bound(current->number()); entry != channel->segments.end();
       ++entry) {
    const Segment& segment = *entry->second;
    if (segment.size_bytes() > 0 || segment.writer() != nullptr) return entry->second;
  }
  return nullptr;
}

void MemoryStore::listen(const ChannelHead& head, ChangeListener& listener) {
  if (const auto channel = lookup(head)) channel->listeners.add(listener);
}

KeptSegments MemoryStore::kept(const ChannelHead& head, SegmentNumber above) const {
  KeptSegments kept{head.next, {}};
  const auto channel = lookup(head);
  if (!channel || channel->segments.empty()) return kept;
  kept.oldest = channel->segments.begin()->first;
  for (auto entry = channel->segments.upper_bound(above); entry != channel->segments.end(); ++entry)
    kept.segments.push_back(entry->second);
  return kept;
}

CloseStatus MemoryStore::close_segment(std::string_view name, SegmentNumber number) {
  const Transaction transaction(*this);
  const auto channel = lookup(name);
  if (!channel) return CloseStatus::kNoChannel;
  const auto found = channel->segments.find(number);
  if (found == channel->segments.end()) return CloseStatus::kNoSegment;
  const auto segment = found->second;
  if (!segment->ended()) close_segment(*channel, segment);
  return CloseStatus::kClosed;
}

bool MemoryStore::remove(std::string_view name) {
  const Transaction transaction(*this);
  const auto channel = lookup(name);
  if (!channel) return false;
  end_channel(channel);
  bury(*channel->head);
  return true;
}

void MemoryStore::sweep() {
  const Transaction transaction(*this);
  const TimePoint now = clock_.now();
  forget_tombstones();
  std::vector<std::string> idle;
  for (const auto& [name, channel] : channels_) {
    if (name.starts_with('_') || channel->permanent) continue;
    if (now - channel->last_write > limits_.idle_timeout) idle.push_back(name);
  }
  for (const auto& name : idle) remove(name);
}

void MemoryStore::begin_shutdown() {
  const Transaction transaction(*this);
  shutting_down_ = true;
  for (const auto& [name, channel] : channels_) {
    channel->head->closed = true;
    notices_->channels.push_back(channel);
    const auto segments = channel->segments;
    for (const auto& [number, segment] : segments) {
      const bool in_the_middle = segment->state() == SegmentState::kOpen && segment->writer() != nullptr;
      if (!segment->ended() && !in_the_middle) close_segment(*channel, segment);
    }
  }
}

bool MemoryStore::writing() const {
  for (const auto& [name, channel] : channels_) {
    for (const auto& [number, segment] : channel->segments) {
      if (!segment->ended() && segment->writer() != nullptr) return true;
    }
  }
  return false;
}

void MemoryStore::end_shutdown() {
  const Transaction transaction(*this);
  const auto channels = channels_;
  for (const auto& [name, channel] : channels) end_channel(channel);
}

std::vector<ChannelReport> MemoryStore::report() const {
  const TimePoint now = clock_.now();
  std::vector<ChannelReport> reports;
  for (const auto& [name, channel] : channels_) {
    channel->rate_bytes_out(now);
    ChannelReport report{name,
                         channel->head->content_type,
                         channel->head->next,
                         {},
                         channel->bytes_in,
                         channel->byte_rate.rate(now),
                         channel->bytes_out_rated,
                         channel->out_rate.rate(now),
                         channel->segment_rate.rate(now),
                         now - channel->made,
                         now - channel->last_write};
    for (const auto& [number, segment] : channel->segments) {
      report.segments.push_back({number, segment->state(), segment->size_bytes(),
                                 segment->writer() != nullptr, segment->listeners().readers()});
    }
    reports.push_back(std::move(report));
  }
  std::sort(reports.begin(), reports.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return reports;
}

StoreTotals MemoryStore::totals() const {
  StoreTotals totals = totals_;
  totals.channels = channels_.size();
  totals.footprint_bytes = footprint_bytes_;
  return totals;
}

}  // namespace trickle
