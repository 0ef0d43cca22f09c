#include "trickle/hls_channels.h"

#include <algorithm>
#include <utility>

namespace trickle {
namespace {

using namespace std::chrono_literals;

constexpr auto kFarewellTime = 60s;    // As long as the name of an ended channel is remembered.
constexpr auto kPostedAtOnce = 100ms;  // Such a segment was not written while it happened.

// Nobody is to wait while a huge segment is measured: its beginning and its end tell all that is needed.
constexpr uint64_t kEndsBytes = 2 << 20;

std::optional<ts::TimeSpan> measure(const Segment& segment) {
  ts::DurationScanner scanner;
  uint64_t position = 0;
  bool skipping = false;
  for (const auto& chunk : segment.chunks()) {
    const std::string_view data = chunk->data();
    const bool at_an_end =
        position < kEndsBytes || position + data.size() + kEndsBytes > segment.size_bytes();
    position += data.size();
    if (at_an_end) {
      scanner.add({reinterpret_cast<const uint8_t*>(data.data()), data.size()});
    } else if (!std::exchange(skipping, true)) {
      if (!scanner.result()) return std::nullopt;  // It is no transport stream.
      scanner.skip();
    }
  }
  return scanner.result();
}

// One that is being written, or waits for its next writer while nothing newer is there, may still end.
bool may_still_end(const Segment& segment) {
  const bool is_newest = segment.number() + 1 == segment.channel().next;
  return segment.state() == SegmentState::kOpen && (segment.writer() != nullptr || is_newest);
}

}  // namespace

HlsPlaylist HlsChannels::update(const ChannelHead& channel, const ChannelStore& store) {
  const std::lock_guard lock(mutex_);
  Listed& listed = listed_[channel.name];
  if (listed.channel_id != channel.id) listed = {.channel_id = channel.id};
  HlsPlaylist& playlist = listed.playlist;
  const KeptSegments kept = store.kept(channel, playlist.newest());
  playlist.forget_below(kept.oldest);
  for (const auto& segment : kept.segments) {
    if (may_still_end(*segment)) break;
    if (segment->state() != SegmentState::kClosed || segment->size_bytes() == 0) continue;
    const bool at_once = segment->ended_at() - segment->begun_at() < kPostedAtOnce;
    const bool follows =
        listed.before_ended_at != TimePoint() && listed.before_ended_at < segment->ended_at();
    const TimePoint begin = at_once && follows ? listed.before_ended_at : segment->begun_at();
    playlist.add({segment->number(), measure(*segment), segment->ended_at() - begin});
    listed.before_ended_at = segment->ended_at();
  }
  return playlist;
}

bool HlsChannels::has_ended(const std::string& name, const Listed& listed, const ChannelStore& store) {
  const auto channel = store.find(name);
  return !channel || channel->closed || channel->id != listed.channel_id;
}

std::optional<HlsPlaylist> HlsChannels::ended(const std::string& channel, const ChannelStore& store) const {
  const std::lock_guard lock(mutex_);
  const auto found = listed_.find(channel);
  if (found == listed_.end() || found->second.playlist.empty()) return std::nullopt;
  if (!has_ended(channel, found->second, store)) return std::nullopt;
  return found->second.playlist;
}

void HlsChannels::sweep(const ChannelStore& store, TimePoint now) {
  const std::lock_guard lock(mutex_);
  for (auto entry = listed_.begin(); entry != listed_.end();) {
    Listed& listed = entry->second;
    if (!listed.seen_ended_at && has_ended(entry->first, listed, store)) listed.seen_ended_at = now;
    const bool over = listed.seen_ended_at && now - *listed.seen_ended_at >= kFarewellTime;
    entry = over ? listed_.erase(entry) : std::next(entry);
  }
}

}  // namespace trickle
