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

const HlsPlaylist& HlsChannels::update(const std::shared_ptr<const ChannelHead>& channel,
                                       const ChannelStore& store) {
  Listed& listed = listed_[channel->name];
  if (listed.channel != channel) listed = {.channel = channel, .playlist = {}};
  const auto segments = store.kept(*channel);
  HlsPlaylist& playlist = listed.playlist;
  playlist.forget_below(segments.empty() ? channel->next : segments.front()->number());
  for (const auto& segment : segments) {
    if (may_still_end(*segment)) break;
    if (segment->state() != SegmentState::kClosed || segment->size_bytes() == 0) continue;
    if (segment->number() <= playlist.newest()) continue;
    const bool at_once = segment->ended_at() - segment->begun_at() < kPostedAtOnce;
    const bool follows =
        listed.before_ended_at != TimePoint() && listed.before_ended_at < segment->ended_at();
    const TimePoint begin = at_once && follows ? listed.before_ended_at : segment->begun_at();
    playlist.add({segment->number(), measure(*segment), segment->ended_at() - begin});
    listed.before_ended_at = segment->ended_at();
  }
  return playlist;
}

const HlsPlaylist* HlsChannels::ended(const std::string& channel) const {
  const auto found = listed_.find(channel);
  if (found == listed_.end() || !found->second.channel->closed || found->second.playlist.empty())
    return nullptr;
  return &found->second.playlist;
}

void HlsChannels::sweep(TimePoint now) {
  for (auto entry = listed_.begin(); entry != listed_.end();) {
    Listed& listed = entry->second;
    if (listed.channel->closed && !listed.seen_ended_at) listed.seen_ended_at = now;
    const bool over = listed.seen_ended_at && now - *listed.seen_ended_at >= kFarewellTime;
    entry = over ? listed_.erase(entry) : std::next(entry);
  }
}

}  // namespace trickle
