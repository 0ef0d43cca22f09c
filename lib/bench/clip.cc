#include "bench/clip.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "base/try.h"
#include "bench/spawn.h"
#include "media/ts_pes.h"

namespace trickle::bench {
namespace {

struct VideoStart {
  int pid;
  int64_t pts;
};

// The head of a video PES packet (stream_id 0xE0 to 0xEF, ISO/IEC 13818-1, table 2-22), if this packet has
// one.
std::optional<VideoStart> video_start(std::span<const uint8_t> raw) {
  const auto packet = ts::parse_packet(raw.first<ts::kPacketBytes>());
  if (!packet || !packet->payload_unit_start) return std::nullopt;
  const auto header = ts::parse_pes_header(packet->payload);
  if (!header || (header->stream_id & 0xf0) != 0xe0 || !header->pts) return std::nullopt;
  return VideoStart{packet->pid, *header->pts};
}

AccessUnit make_unit(std::span<const uint8_t> bytes, const VideoStart& start) {
  AccessUnit unit{.bytes = bytes, .pts = start.pts};
  bool has_length = false;
  for (size_t at = 0; at + ts::kPacketBytes <= bytes.size(); at += ts::kPacketBytes) {
    const auto packet = ts::parse_packet(bytes.subspan(at).first<ts::kPacketBytes>());
    if (!packet || packet->pid != start.pid || packet->payload.empty()) continue;
    if (packet->payload_unit_start) {
      unit.keyframe = packet->random_access;
      const auto header = ts::parse_pes_header(packet->payload);
      has_length = header && header->packet_bytes > 0;
    }
    unit.shows_its_end = has_length || packet->stuffing_bytes > 0;
  }
  return unit;
}

}  // namespace

ScratchDirectory::ScratchDirectory() {
  char name[] = "/tmp/trickle-bench.XXXXXX";
  if (const char* made = ::mkdtemp(name)) path_ = made;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Result<void> make_bench_clip(const ClipShape& shape, const std::string& path) {
  const std::string source = fmt::format("testsrc2=s={}x{}:r={}:d={},noise=alls=6:allf=t,format=yuv420p",
                                         shape.width, shape.height, shape.fps, shape.seconds);
  const std::string gop = std::to_string(2 * shape.fps);
  TRICKLE_TRY(
      run_program({"ffmpeg", "-nostdin",      "-v",      "error",   "-y",       "-f",    "lavfi",       "-i",
                   source,   "-c:v",          "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-g",
                   gop,      "-sc_threshold", "0",       "-f",      "mpegts",   path}));
  return {};
}

std::vector<AccessUnit> access_units(std::span<const uint8_t> clip) {
  std::vector<AccessUnit> units;
  std::optional<VideoStart> open;
  size_t begin = 0;
  for (size_t at = 0; at + ts::kPacketBytes <= clip.size(); at += ts::kPacketBytes) {
    const auto start = video_start(clip.subspan(at));
    if (!start || (open && start->pid != open->pid)) continue;
    if (open) {
      units.push_back(make_unit(clip.subspan(begin, at - begin), *open));
      begin = at;
    }
    open = start;
  }
  if (open) units.push_back(make_unit(clip.subspan(begin), *open));
  return units;
}

Result<std::vector<uint8_t>> read_clip(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> bytes(std::istreambuf_iterator<char>(file), {});
  if (bytes.empty()) return unexpected(ErrorKind::kUsage, "cannot read a clip from '" + path + "'");
  return bytes;
}

void ArrivalTimes::take(std::span<const uint8_t> bytes, TimePoint now) {
  held_.insert(held_.end(), bytes.begin(), bytes.end());
  size_t at = 0;
  for (; at + ts::kPacketBytes <= held_.size(); at += ts::kPacketBytes) {
    take_packet(std::span(held_).subspan(at, ts::kPacketBytes), now);
  }
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(at));
}

void ArrivalTimes::take_packet(std::span<const uint8_t> packet, TimePoint now) {
  if (const auto start = video_start(packet); start && (video_pid_ < 0 || start->pid == video_pid_)) {
    video_pid_ = start->pid;
    pts_ = start->pts;
  }
  if (ts::pid_of(packet.data()) == video_pid_ && ts::has_payload(packet.data())) by_pts_[pts_] = now;
}

}  // namespace trickle::bench
