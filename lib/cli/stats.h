// The numbers of one moment, as --stats writes them and as trickle-serve reads them from its children.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/counters.h"
#include "io/clock.h"

namespace trickle::cli {

/// Makes --stats lines from Counters. Rates are means over the time since the line before. Not thread-safe.
class StatsWriter {
 public:
  StatsWriter(std::string tool, const Counters& counters, TimePoint start);

  /// One JSON object and a newline. Keys: tool, time_ms (Unix), uptime_s, frames_in, frames_out, audio_in,
  /// audio_out, bytes_in, bytes_out, segments_in, segments_out, segment, fps_in, fps_out, bitrate_in and
  /// bitrate_out (bit/s), drops (object by cause), queue_depth, latency_p50_ms, latency_p99_ms, gaps,
  /// restarts, width, height, last_error, and final (true on the last line).
  [[nodiscard]] std::string json_line(TimePoint now, std::chrono::milliseconds unix_time, bool final);

  /// "00:01:02 30.0 fps 2.1 Mb/s segment 62 drops 0 latency 7.1 ms", for the status line.
  [[nodiscard]] std::string status_line(TimePoint now);

 private:
  struct Rates {
    double fps_in, fps_out, bits_in, bits_out;
  };
  Rates rates_since_last(TimePoint now);

  std::string tool_;
  const Counters& counters_;
  TimePoint start_;
  TimePoint last_;
  uint64_t last_frames_in_ = 0, last_frames_out_ = 0, last_bytes_in_ = 0, last_bytes_out_ = 0;
};

}  // namespace trickle::cli
