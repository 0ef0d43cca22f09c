#include "cli/stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/units.h"

namespace trickle::cli {
namespace {

double milliseconds(std::chrono::microseconds t) { return static_cast<double>(t.count()) / 1000.0; }

nlohmann::ordered_json drops_object(const Counters& counters) {
  nlohmann::ordered_json drops = nlohmann::ordered_json::object();
  for (size_t i = 0; i < static_cast<size_t>(Drop::kCount); ++i) {
    drops[std::string(drop_name(static_cast<Drop>(i)))] = counters.drops(static_cast<Drop>(i));
  }
  return drops;
}

nlohmann::ordered_json untouched_object(const Counters& counters) {
  nlohmann::ordered_json untouched = nlohmann::ordered_json::object();
  for (size_t i = 0; i < static_cast<size_t>(Untouched::kCount); ++i) {
    const auto cause = static_cast<Untouched>(i);
    untouched[std::string(untouched_name(cause))] = counters.untouched(cause);
  }
  return untouched;
}

// What a person can use of a rate.
constexpr int kRateDecimals = 1;

}  // namespace

StatsWriter::StatsWriter(std::string tool, const Counters& counters, TimePoint start)
    : tool_(std::move(tool)), counters_(counters), start_(start), last_(start) {}

StatsWriter::Rates StatsWriter::rates_since_last(TimePoint now) {
  const double seconds = std::max(1e-3, std::chrono::duration<double>(now - last_).count());
  last_ = now;
  const auto rate = [seconds](const std::atomic<uint64_t>& counter, uint64_t& before) {
    const uint64_t current = counter.load(std::memory_order_relaxed);
    const auto step = static_cast<double>(current - std::exchange(before, current));
    return step / seconds;
  };
  return {rate(counters_.frames_in, last_frames_in_), rate(counters_.frames_out, last_frames_out_),
          8.0 * rate(counters_.bytes_in, last_bytes_in_), 8.0 * rate(counters_.bytes_out, last_bytes_out_)};
}

std::string StatsWriter::json_line(TimePoint now, std::chrono::milliseconds unix_time, bool final) {
  const Rates rates = rates_since_last(now);
  const auto& c = counters_;
  nlohmann::ordered_json line{
      {"tool", tool_},
      {"time_ms", unix_time.count()},
      {"uptime_s", std::chrono::duration<double>(now - start_).count()},
      {"frames_in", c.frames_in.load()},
      {"frames_out", c.frames_out.load()},
      {"audio_in", c.audio_in.load()},
      {"audio_out", c.audio_out.load()},
      {"bytes_in", c.bytes_in.load()},
      {"bytes_out", c.bytes_out.load()},
      {"segments_in", c.segments_in.load()},
      {"segments_out", c.segments_out.load()},
      {"segment", c.segment.load()},
      {"fps_in", rounded(rates.fps_in, kRateDecimals)},
      {"fps_out", rounded(rates.fps_out, kRateDecimals)},
      {"bitrate_in", rounded(rates.bits_in, kRateDecimals)},
      {"bitrate_out", rounded(rates.bits_out, kRateDecimals)},
      {"drops", drops_object(c)},
      {"untouched", untouched_object(c)},
      {"queue_depth", c.queue_depth.load()},
      {"latency_p50_ms", milliseconds(c.latency.percentile(0.5))},
      {"latency_p99_ms", milliseconds(c.latency.percentile(0.99))},
      {"gaps", c.gaps.load()},
      {"restarts", c.restarts.load()},
      {"width", c.width.load()},
      {"height", c.height.load()},
      {"last_error", c.last_error()},
      {"final", final},
  };
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string StatsWriter::status_line(TimePoint now) {
  const Rates rates = rates_since_last(now);
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(now - start_).count();
  std::string line = fmt::format("{:02}:{:02}:{:02}", uptime / 3600, uptime / 60 % 60, uptime % 60);
  const auto& c = counters_;
  if (c.frames_in > 0 || c.frames_out > 0)
    line += fmt::format("  {:.1f} fps", std::max(rates.fps_in, rates.fps_out));
  line += fmt::format("  {:.2f} Mb/s", std::max(rates.bits_in, rates.bits_out) / 1e6);
  if (c.segment >= 0) line += fmt::format("  segment {}", c.segment.load());
  line += fmt::format("  drops {}", c.drops_total());
  if (const auto p50 = c.latency.percentile(0.5); p50.count() > 0) {
    line += fmt::format("  latency {:.1f} ms", milliseconds(p50));
  }
  return line;
}

}  // namespace trickle::cli
