// Transport streams to measure with: made by ffmpeg, or given; and their access units.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/clock.h"
#include "trickle/result.h"

namespace trickle::bench {

struct ClipShape {
  int width = 1280;
  int height = 720;
  int fps = 30;
  int seconds = 10;
};

/// A directory in /tmp that is removed with this object.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// Writes moving, noisy H.264 with a keyframe every two seconds and no sound. \return kUsage without ffmpeg,
/// kInternal when it fails.
Result<void> make_bench_clip(const ClipShape& shape, const std::string& path);

/// The bytes up to the next access unit of the video, and when its picture is shown (90 kHz).
struct AccessUnit {
  std::span<const uint8_t> bytes;
  int64_t pts = 0;
  bool keyframe = false;  ///< By the muxer's word.
  /// Its last packet can be told from its bytes: by the length of the PES packet, or by stuffing. Otherwise
  /// only the next access unit shows it.
  bool shows_its_end = false;
};
/// \return the access units of the first video stream; what precedes them belongs to the first. They point
/// into `clip`.
[[nodiscard]] std::vector<AccessUnit> access_units(std::span<const uint8_t> clip);

/// \return kUsage when there is nothing to read.
Result<std::vector<uint8_t>> read_clip(const std::string& path);

/// Notes when the last byte of each access unit came. Not thread-safe.
class ArrivalTimes {
 public:
  void take(std::span<const uint8_t> bytes, TimePoint now);
  [[nodiscard]] const std::map<int64_t, TimePoint>& by_pts() const { return by_pts_; }

 private:
  void take_packet(std::span<const uint8_t> packet, TimePoint now);
  std::vector<uint8_t> held_;
  std::map<int64_t, TimePoint> by_pts_;
  int video_pid_ = -1;
  int64_t pts_ = -1;
};

}  // namespace trickle::bench
