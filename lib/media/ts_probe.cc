#include "media/ts_probe.h"

#include <algorithm>

#include "media/ts_resync.h"

namespace trickle::ts {
namespace {

constexpr int64_t kMaxStepTicks = 10 * kTicksPerSecond;
constexpr size_t kHeadBytes = 4096;  // A sequence header stands near the front.

}  // namespace

void TsProbe::add(std::span<const uint8_t> bytes) {
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  size_t at = 0;
  while (pending_.size() - at >= kPacketBytes) {
    const Bytes rest = Bytes(pending_).subspan(at);
    if (rest[0] != kSyncByte) {
      const auto skip = find_sync(rest, false, false);
      if (!skip) break;
      at += *skip;
      continue;
    }
    const auto raw = rest.first<kPacketBytes>();
    at += kPacketBytes;
    const auto packet = parse_packet(raw);
    if (!packet) continue;
    tables_.add(*packet, raw);
    for (const Program& program : tables_.programs()) {
      for (const ElementaryStream& stream : program.streams) {
        if (stream.pid == packet->pid) look_at(*packet, stream.codec);
      }
    }
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(at));
}

void TsProbe::look_at(const Packet& packet, Codec codec) {
  Track& track = tracks_[packet.pid];
  if (packet.payload_unit_start) {
    begin_unit(track, packet, codec);
  } else if (is_video(codec)) {
    add_to_unit(track, packet.payload, codec);
  }
}

void TsProbe::begin_unit(Track& track, const Packet& packet, Codec codec) {
  const auto header = parse_pes_header(packet.payload);
  if (!header) return;
  ++track.units;
  if (const auto time = header->decode_time()) {
    const int64_t now = track.unwrapper.unwrap(*time);
    const int64_t step = track.newest ? now - *track.newest : 0;
    track.newest = now;
    if (step >= 0 && step <= kMaxStepTicks) track.elapsed += step;  // A jump takes no time.
    if (!track.first) track.first = track.elapsed;
    track.last = track.elapsed;
  }
  if (!is_video(codec)) return;
  track.head.clear();
  track.scanner.reset(codec);
  track.judged = false;
  add_to_unit(track, packet.payload.subspan(header->header_bytes), codec);
}

void TsProbe::add_to_unit(Track& track, Bytes bytes, Codec codec) {
  if (track.judged) return;
  if (track.head.size() < kHeadBytes) track.head.insert(track.head.end(), bytes.begin(), bytes.end());
  const RandomAccess verdict = track.scanner.add(bytes);
  if (verdict == RandomAccess::kUndecided) return;
  track.judged = true;
  if (!track.size) track.size = find_video_size(codec, track.head);
  if (verdict == RandomAccess::kNone || !track.last) return;
  if (!track.first_key) track.first_key = track.last;
  track.last_key = track.last;
  ++track.keyframes;
}

std::vector<ProbedStream> TsProbe::streams() const {
  const auto mean = [](uint64_t count, std::optional<int64_t> first, std::optional<int64_t> last) {
    const bool known = count > 1 && first && last && *last > *first;
    if (!known) return std::optional<double>();
    return std::optional(static_cast<double>(*last - *first) / kTicksPerSecond /
                         static_cast<double>(count - 1));
  };
  std::vector<ProbedStream> streams;
  for (const Program& program : tables_.programs()) {
    for (const ElementaryStream& stream : program.streams) {
      ProbedStream found{.pid = stream.pid, .codec = stream.codec};
      if (const auto track = tracks_.find(stream.pid); track != tracks_.end()) {
        found.units = track->second.units;
        found.size = track->second.size;
        const auto step = mean(track->second.units, track->second.first, track->second.last);
        if (step && is_video(stream.codec)) found.fps = 1 / *step;
        found.gop_seconds = mean(track->second.keyframes, track->second.first_key, track->second.last_key);
      }
      streams.push_back(std::move(found));
    }
  }
  return streams;
}

}  // namespace trickle::ts
