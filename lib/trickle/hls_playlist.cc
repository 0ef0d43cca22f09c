#include "trickle/hls_playlist.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace trickle {
namespace {

// Between two frames of any stream there is less; a missing segment, or a source that starts over, is more.
constexpr int64_t kGreatestGap = ts::kTicksPerSecond / 2;
constexpr double kLeastSeconds = 0.001;  // Players divide by it.

double seconds_of(const HlsSegment& segment) {
  double seconds = segment.lasted.count();
  if (segment.media && segment.media->end > segment.media->begin) {
    seconds = static_cast<double>(segment.media->end - segment.media->begin) / ts::kTicksPerSecond;
  }
  return std::max(seconds, kLeastSeconds);
}

}  // namespace

bool HlsPlaylist::continues(const HlsSegment& segment) const {
  if (!segment.media || !newest_media_) return !segment.media && !newest_media_;
  const auto& before = newest_media_->streams;
  const auto& now = segment.media->streams;
  const bool other_kind = !before.empty() && !now.empty() && before != now;
  return !other_kind && std::abs(ts::gap_between(*newest_media_, *segment.media)) <= kGreatestGap;
}

void HlsPlaylist::add(const HlsSegment& segment) {
  if (segment.number <= newest_) return;
  // As long as anything is listed the sequence goes on by one, whatever the numbers do: that is how players
  // tell segments apart.
  if (entries_.empty()) first_sequence_ += segment.number - std::max<SegmentNumber>(newest_, 0);
  const double seconds = seconds_of(segment);
  entries_.push_back({segment.number, seconds, newest_ >= 0 && !continues(segment)});
  newest_ = segment.number;
  newest_media_ = segment.media;
  target_seconds_ = std::max<int64_t>(target_seconds_, std::lround(seconds));
}

void HlsPlaylist::forget_below(SegmentNumber oldest) {
  while (!entries_.empty() && entries_.front().number < oldest) {
    if (entries_.front().discontinuity) ++discontinuities_;
    // The last one's place is where add() goes on from.
    if (entries_.size() > 1) ++first_sequence_;
    entries_.pop_front();
  }
}

std::string HlsPlaylist::text(bool ended, std::string_view uri_suffix) const {
  std::string text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out,
                 "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{}\n"
                 "#EXT-X-DISCONTINUITY-SEQUENCE:{}\n",
                 target_seconds_, first_sequence_, discontinuities_);
  for (const Entry& entry : entries_) {
    if (entry.discontinuity) text += "#EXT-X-DISCONTINUITY\n";
    fmt::format_to(out, "#EXTINF:{:.6f},\n{}{}\n", entry.seconds, entry.number, uri_suffix);
  }
  if (ended) text += "#EXT-X-ENDLIST\n";
  return text;
}

}  // namespace trickle
