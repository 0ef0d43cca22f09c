// The numbers a child reports on --stats (lib/cli/stats.h), as far as its supervisor uses them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace trickle::pipeline {

struct StageNumbers {
  uint64_t frames_in = 0, frames_out = 0, audio_in = 0, audio_out = 0;
  uint64_t bytes_in = 0, bytes_out = 0, segments_in = 0, segments_out = 0;
  uint64_t gaps = 0, restarts = 0, queue_depth = 0;
  uint64_t width = 0, height = 0;  ///< Of the newest frame, in pixels.
  int64_t segment = -1;
  double uptime_s = 0;
  double fps_in = 0, fps_out = 0, audio_fps_in = 0, audio_fps_out = 0;
  double latency_p50_ms = 0, latency_p99_ms = 0;
  std::map<std::string, uint64_t> drops;  ///< By cause.
  std::string last_error;

  /// Adds what counts up (frames, bytes, drops, …) and leaves the rest as it is.
  void add_totals(const StageNumbers& other);
};

/// Reads one --stats line; keys that are missing are zero. Rates of audio are made from `before`, the line
/// that came first. \return nothing when the line is no JSON object.
std::optional<StageNumbers> parse_stage_numbers(std::string_view line, const StageNumbers& before);

}  // namespace trickle::pipeline
