#include "media/ts_duration.h"

#include <algorithm>

#include "media/ts_resync.h"

namespace trickle::ts {
namespace {

bool is_video_id(uint8_t stream_id) { return (stream_id & 0xf0) == 0xe0; }
// MPEG audio, and private stream 1, where everything else that sounds is found.
bool is_audio_id(uint8_t stream_id) { return (stream_id & 0xe0) == 0xc0 || stream_id == 0xbd; }

}  // namespace

int64_t gap_between(const TimeSpan& before, const TimeSpan& after) {
  TimestampUnwrapper unwrapper;
  const int64_t end = unwrapper.unwrap(before.end);
  return unwrapper.unwrap(after.begin) - end;
}

void DurationScanner::add(Bytes bytes) {
  if (!held_.empty()) {
    // Few bytes are enough to bring what was held to its end.
    const size_t more = std::min(bytes.size(), 4 * kPacketBytes);
    held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(more));
    bytes = bytes.subspan(more);
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(scan(held_)));
    if (!held_.empty() && held_.size() < kPacketBytes) {
      const size_t rest = std::min(bytes.size(), kPacketBytes - held_.size());
      held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(rest));
      bytes = bytes.subspan(rest);
      held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(scan(held_)));
    }
  }
  if (held_.empty()) bytes = bytes.subspan(scan(bytes));
  held_.insert(held_.end(), bytes.begin(), bytes.end());
}

size_t DurationScanner::scan(Bytes bytes) {
  size_t at = 0;
  while (at + kPacketBytes <= bytes.size()) {
    if (bytes[at] == kSyncByte) {
      look_at(bytes.data() + at);
      at += kPacketBytes;
      continue;
    }
    const auto skipped = find_sync(bytes.subspan(at), false);
    if (!skipped) break;
    at += *skipped;
  }
  return at;
}

void DurationScanner::look_at(const uint8_t* packet) {
  const uint16_t pid = pid_of(packet);
  const bool is_table = tables_.is_table(pid);
  if (!is_table && !unit_start_of(packet)) return;
  const std::span<const uint8_t, kPacketBytes> raw(packet, kPacketBytes);
  const auto parsed = parse_packet(raw);
  if (!parsed || parsed->transport_error || parsed->scrambled) return;
  if (is_table) {
    tables_.add(*parsed, raw);
    return;
  }
  const auto pes = parse_pes_header(parsed->payload);
  if (!pes || !pes->pts) return;
  const bool video = is_video_id(pes->stream_id);
  if (!video && !is_audio_id(pes->stream_id)) return;
  Times& times = times_[pid];
  const int64_t time = times.unwrapper.unwrap(*pes->pts);
  if (times.count++ == 0) times = {video, times.unwrapper, time, time, 1, 0};
  times.least = std::min(times.least, time);
  times.greatest = std::max(times.greatest, time);
}

int64_t DurationScanner::frame_of(const Times& times) {
  if (times.frame > 0) return times.frame;
  return times.count > 1 ? (times.greatest - times.least) / (times.count - 1) : 0;
}

void DurationScanner::skip() {
  held_.clear();
  for (auto& [pid, times] : times_) times.frame = frame_of(times);
}

std::optional<TimeSpan> DurationScanner::result() const {
  const Times* best = nullptr;
  for (const auto& [pid, times] : times_) {
    if (!best || (times.video && !best->video)) best = &times;
  }
  if (!best) return std::nullopt;
  TimeSpan span{best->least, best->greatest + frame_of(*best), {}};
  for (const Program& program : tables_.programs()) {
    span.streams.insert(span.streams.end(), program.streams.begin(), program.streams.end());
  }
  return span;
}

}  // namespace trickle::ts
