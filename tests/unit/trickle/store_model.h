// The rules of wire.md as plain as can be: whole strings instead of chunks, lists that are searched, no caps.
// What a channel store is compared with, step by step.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/clock.h"
#include "trickle/channel_store.h"

namespace trickle::testing {

constexpr SegmentNumber kModelWindow = 3;
constexpr size_t kModelChannels = 3;

struct ModelSegment {
  SegmentNumber number;
  uint64_t id;  // Unlike its number never used twice.
  std::string bytes{};
  SegmentState state = SegmentState::kWaiting;
  int writer = 0;  // The client that writes it, 0: none.
  int readers = 0;

  bool ended() const { return state == SegmentState::kClosed || state == SegmentState::kEvicted; }
  bool written() const { return state == SegmentState::kOpen || state == SegmentState::kClosed; }
};
using ModelSegmentPtr = std::shared_ptr<ModelSegment>;

struct ModelChannel {
  SegmentNumber next = 0;
  SegmentNumber highest_evicted = -1;
  bool closed = false;
  TimePoint last_write;
  std::vector<ModelSegmentPtr> segments;  // In the order of their numbers.

  ModelSegmentPtr at(SegmentNumber number) const {
    for (const auto& segment : segments) {
      if (segment->number == number) return segment;
    }
    return nullptr;
  }
  SegmentNumber oldest_acceptable() const { return std::max(highest_evicted + 1, next - kModelWindow); }
  bool accepts(SegmentNumber number) const {
    if (const auto segment = at(number)) return !segment->ended();
    return number >= next || number >= oldest_acceptable();
  }
};
using ModelChannelPtr = std::shared_ptr<ModelChannel>;

// One function for each request.
class StoreModel {
 public:
  explicit StoreModel(const Clock& clock) : clock_(clock) {}

  std::map<std::string, ModelChannelPtr> channels;
  std::map<int, WriterEnd> lost;  // How clients lost their segments in this step.

  ModelChannelPtr find(const std::string& name) const {
    const auto found = channels.find(name);
    return found == channels.end() ? nullptr : found->second;
  }

  CreateStatus create(const std::string& name) {
    if (find(name)) return CreateStatus::kExists;
    if (channels.size() >= kModelChannels) return CreateStatus::kTooManyChannels;
    add(name);
    return CreateStatus::kCreated;
  }

  WriteStatus post(const std::string& name, std::optional<SegmentNumber> number, bool reset, bool may_create,
                   int client, ModelSegmentPtr& segment) {
    auto channel = find(name);
    if (channel && number && restarts(*channel, *number, reset)) {
      end(name);
      channel = add(name);
    }
    if (!channel) {
      const bool late = number.value_or(0) > 0 && !reset && tombstones_.count(name) > 0 &&
                        clock_.now() < tombstones_.at(name);
      if (!may_create || late) return WriteStatus::kNoChannel;
      if (channels.size() >= kModelChannels) return WriteStatus::kTooManyChannels;
      channel = add(name);
    }
    const SegmentNumber wanted = number.value_or(channel->next);
    if (!channel->accepts(wanted)) return WriteStatus::kAlreadyClosed;
    segment = channel->at(wanted);
    if (!segment) segment = add_segment(*channel, wanted);
    if (reset) {
      const auto segments = channel->segments;
      for (const auto& older : segments) {
        if (older->number < wanted && !older->ended()) close(*channel, older, WriterEnd::kSegmentClosed);
      }
    }
    end_writer(*segment, WriterEnd::kSuperseded);
    segment->writer = client;
    return WriteStatus::kGranted;
  }

  void append(const std::string& name, const ModelSegmentPtr& segment, const std::string& bytes) {
    ModelChannel& channel = *find(name);
    if (segment->state == SegmentState::kWaiting) {
      segment->state = SegmentState::kOpen;
      written(channel, *segment);
    }
    segment->bytes += bytes;
    channel.last_write = clock_.now();
  }

  void finish(const std::string& name, const ModelSegmentPtr& segment) {
    segment->writer = 0;
    close(*find(name), segment, WriterEnd::kSegmentClosed);
  }

  void vanish(const std::string& name, const ModelSegmentPtr& segment) {
    segment->writer = 0;
    if (const auto channel = find(name)) forget(*channel, segment);
  }

  CloseStatus delete_segment(const std::string& name, SegmentNumber number) {
    const auto channel = find(name);
    if (!channel) return CloseStatus::kNoChannel;
    const auto segment = channel->at(number);
    if (!segment) return CloseStatus::kNoSegment;
    if (!segment->ended()) close(*channel, segment, WriterEnd::kSegmentClosed);
    return CloseStatus::kClosed;
  }

  bool remove(const std::string& name) {
    if (!find(name)) return false;
    end(name);
    tombstones_[name] = clock_.now() + std::chrono::seconds(60);
    return true;
  }

  void sweep() {
    std::vector<std::string> idle;
    for (const auto& [name, channel] : channels) {
      if (clock_.now() - channel->last_write > std::chrono::minutes(5)) idle.push_back(name);
    }
    for (const auto& name : idle) remove(name);
  }

  // Null with `status` for what is not there.
  ModelSegmentPtr get(const std::string& name, ReadSelector selector, ReadStatus& status) {
    const auto channel = find(name);
    status = ReadStatus::kNoChannel;
    if (!channel) return nullptr;
    status = ReadStatus::kSegment;
    const SegmentNumber number = resolve(*channel, selector);
    auto segment = channel->at(number);
    if (!segment && (number == channel->next || (channel->next == 0 && number == 1)))
      segment = add_segment(*channel, number);
    if (!segment) status = ReadStatus::kNoSegment;
    if (segment) ++segment->readers;
    return segment;
  }

  void leave(const std::string& name, const ModelSegmentPtr& segment) {
    --segment->readers;
    if (const auto channel = find(name)) forget(*channel, segment);
  }

 private:
  ModelChannelPtr add(const std::string& name) {
    auto channel = std::make_shared<ModelChannel>();
    channel->last_write = clock_.now();
    channels[name] = channel;
    tombstones_.erase(name);
    return channel;
  }

  ModelSegmentPtr add_segment(ModelChannel& channel, SegmentNumber number) {
    auto segment = std::make_shared<ModelSegment>(ModelSegment{number, ++ids_});
    channel.segments.push_back(segment);
    std::sort(channel.segments.begin(), channel.segments.end(),
              [](const auto& a, const auto& b) { return a->number < b->number; });
    return segment;
  }

  bool restarts(const ModelChannel& channel, SegmentNumber number, bool reset) const {
    if (number >= channel.next || channel.accepts(number)) return false;
    const bool writing = std::any_of(
        channel.segments.begin(), channel.segments.end(),
        [](const auto& segment) { return segment->state == SegmentState::kOpen && segment->writer != 0; });
    return reset || (!writing && clock_.now() - channel.last_write >= std::chrono::seconds(5));
  }

  static SegmentNumber resolve(const ModelChannel& channel, ReadSelector selector) {
    if (selector.kind == ReadSelector::Kind::kNumber) return selector.value;
    if (selector.kind == ReadSelector::Kind::kFromEnd) {
      const SegmentNumber number = channel.next - (selector.value - 1);
      return selector.value == 2 ? std::max<SegmentNumber>(number, 0) : number;
    }
    for (const auto& segment : channel.segments) {
      if (segment->written()) return segment->number;
    }
    return channel.next;
  }

  void end_writer(ModelSegment& segment, WriterEnd why) {
    if (segment.writer != 0) lost[std::exchange(segment.writer, 0)] = why;
  }

  void close(ModelChannel& channel, const ModelSegmentPtr& segment, WriterEnd why) {
    const bool waiting = segment->state == SegmentState::kWaiting;
    segment->state = SegmentState::kClosed;
    end_writer(*segment, why);
    channel.last_write = clock_.now();
    if (waiting) written(channel, *segment);
  }

  void written(ModelChannel& channel, const ModelSegment& segment) {
    channel.next = std::max(channel.next, segment.number + 1);
    const auto count = [&] {
      return std::count_if(channel.segments.begin(), channel.segments.end(),
                           [](const auto& other) { return other->written(); });
    };
    while (count() > kModelWindow) {
      const auto oldest = *std::find_if(channel.segments.begin(), channel.segments.end(),
                                        [](const auto& other) { return other->written(); });
      channel.highest_evicted = std::max(channel.highest_evicted, oldest->number);
      evict(channel, oldest);
    }
    while (!channel.segments.empty() && !channel.segments.front()->written() &&
           channel.segments.front()->number < channel.oldest_acceptable()) {
      evict(channel, ModelSegmentPtr(channel.segments.front()));
    }
  }

  void evict(ModelChannel& channel, const ModelSegmentPtr& segment) {
    segment->state = SegmentState::kEvicted;
    end_writer(*segment, WriterEnd::kSegmentClosed);
    channel.segments.erase(std::find(channel.segments.begin(), channel.segments.end(), segment));
  }

  // Nobody waits for it any more.
  void forget(ModelChannel& channel, const ModelSegmentPtr& segment) {
    if (segment->state != SegmentState::kWaiting || segment->writer != 0 || segment->readers > 0) return;
    const auto found = std::find(channel.segments.begin(), channel.segments.end(), segment);
    if (found != channel.segments.end()) channel.segments.erase(found);
  }

  void end(const std::string& name) {
    const auto channel = find(name);
    channel->closed = true;
    for (const auto& segment : channel->segments) {
      if (!segment->ended()) segment->state = SegmentState::kClosed;
      end_writer(*segment, WriterEnd::kChannelClosed);
    }
    channels.erase(name);
  }

  const Clock& clock_;
  std::map<std::string, TimePoint> tombstones_;
  uint64_t ids_ = 0;
};

}  // namespace trickle::testing
