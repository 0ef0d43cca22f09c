#include "pipeline/stage_numbers.h"

#include <nlohmann/json.hpp>

namespace trickle::pipeline {
namespace {

using nlohmann::json;

template <typename T>
T number(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return T{};
  // A negative count, or one beyond the type, could only come from a broken child.
  const auto value = found->get<double>();
  if (value >= 1.8e19 || (std::is_unsigned_v<T> && value < 0)) return T{};
  return found->get<T>();
}

double rate(uint64_t now, uint64_t before, double seconds) {
  return now > before && seconds > 1e-3 ? static_cast<double>(now - before) / seconds : 0.0;
}

}  // namespace

void StageNumbers::add_totals(const StageNumbers& other) {
  frames_in += other.frames_in;
  frames_out += other.frames_out;
  audio_in += other.audio_in;
  audio_out += other.audio_out;
  bytes_in += other.bytes_in;
  bytes_out += other.bytes_out;
  segments_in += other.segments_in;
  segments_out += other.segments_out;
  gaps += other.gaps;
  restarts += other.restarts;
  for (const auto& [cause, count] : other.drops) drops[cause] += count;
}

std::optional<StageNumbers> parse_stage_numbers(std::string_view line, const StageNumbers& before) {
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  StageNumbers n;
  n.frames_in = number<uint64_t>(object, "frames_in");
  n.frames_out = number<uint64_t>(object, "frames_out");
  n.audio_in = number<uint64_t>(object, "audio_in");
  n.audio_out = number<uint64_t>(object, "audio_out");
  n.bytes_in = number<uint64_t>(object, "bytes_in");
  n.bytes_out = number<uint64_t>(object, "bytes_out");
  n.segments_in = number<uint64_t>(object, "segments_in");
  n.segments_out = number<uint64_t>(object, "segments_out");
  n.gaps = number<uint64_t>(object, "gaps");
  n.restarts = number<uint64_t>(object, "restarts");
  n.queue_depth = number<uint64_t>(object, "queue_depth");
  n.width = number<uint64_t>(object, "width");
  n.height = number<uint64_t>(object, "height");
  n.segment = object.contains("segment") ? number<int64_t>(object, "segment") : -1;
  n.uptime_s = number<double>(object, "uptime_s");
  n.fps_in = number<double>(object, "fps_in");
  n.fps_out = number<double>(object, "fps_out");
  n.audio_fps_in = rate(n.audio_in, before.audio_in, n.uptime_s - before.uptime_s);
  n.audio_fps_out = rate(n.audio_out, before.audio_out, n.uptime_s - before.uptime_s);
  n.latency_p50_ms = number<double>(object, "latency_p50_ms");
  n.latency_p99_ms = number<double>(object, "latency_p99_ms");
  if (const auto drops = object.find("drops"); drops != object.end() && drops->is_object()) {
    for (const auto& [cause, count] : drops->items()) {
      if (count.is_number_unsigned()) n.drops[cause] = count.get<uint64_t>();
    }
  }
  if (const auto error = object.find("last_error"); error != object.end() && error->is_string()) {
    n.last_error = error->get<std::string>();
  }
  return n;
}

}  // namespace trickle::pipeline
