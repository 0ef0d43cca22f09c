#include "bench/serve_bench.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/try.h"
#include "bench/serve_setting.h"

namespace trickle::bench {
namespace {

constexpr int64_t kTicksPerMs = 90;

// In the order of their timestamps.
std::vector<TimePoint> values_of(const std::map<int64_t, TimePoint>& times) {
  std::vector<TimePoint> values;
  for (const auto& [pts, at] : times) values.push_back(at);
  return values;
}

bool has_same_timestamps(const SendTimes& sent, const std::map<int64_t, TimePoint>& arrived) {
  size_t known = 0;
  for (const auto& [pts, at] : arrived) known += sent.contains(pts) ? 1 : 0;
  return known * 2 > arrived.size();
}

}  // namespace

Result<std::unique_ptr<ServeSetting>> ServeSetting::make(const ServeBenchOptions& options,
                                                         const StopToken& stop) {
  std::unique_ptr<ServeSetting> setting(new ServeSetting{options, stop, {}, {}, {}, {}, {}, {}});
  setting->clip_path = setting->scratch.file("clip.ts");
  TRICKLE_TRY(make_bench_clip(options.shape, setting->clip_path));
  TRICKLE_TRY_ASSIGN(setting->clip, read_clip(setting->clip_path));
  setting->units = access_units(setting->clip);
  TRICKLE_TRY_ASSIGN(setting->relay,
                     ServerProgram::start({program_beside("trickle-relay"), "--listen", "127.0.0.1:0",
                                           "--log-level", "warning", "--window", "100000",
                                           "--max-segment-bytes", "1G", "--max-channel-bytes", "4G"}));
  TRICKLE_TRY_ASSIGN(setting->relay_address,
                     resolve_server(fmt::format("http://127.0.0.1:{}/", setting->relay.port)));
  return setting;
}

std::string ServeSetting::url(const std::string& channel) const {
  return fmt::format("http://127.0.0.1:{}/{}", relay.port, channel);
}

Result<void> ServeSetting::create_channel(const std::string& channel) const {
  TRICKLE_TRY_ASSIGN(const AnswerHead head,
                     request(relay_address, "POST", "/" + channel, "Expect-Content: video/mp2t\r\n"));
  if (head.status == 200) return {};
  return unexpected(ErrorKind::kNetwork, fmt::format("the relay answered {} to a new channel", head.status));
}

Result<void> ServeSetting::delete_channel(const std::string& channel) const {
  TRICKLE_TRY(request(relay_address, "DELETE", "/" + channel, ""));
  return {};
}

nlohmann::json ServeSetting::start_request(const std::string& id, const std::string& in,
                                           const std::string& out) const {
  return {{"subscribe_url", url(in)},
          {"publish_url", url(out)},
          {"gateway_request_id", id},
          {"params",
           {{"effect", options.effect}, {"width", options.shape.width}, {"height", options.shape.height}}}};
}

Result<SendTimes> feed_paced(std::span<const AccessUnit> units, const StopToken& stop,
                             const std::function<Result<void>(const AccessUnit&)>& write) {
  SendTimes sent;
  const TimePoint start = system_clock().now();
  for (const AccessUnit& unit : units) {
    if (stop.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped");
    std::this_thread::sleep_until(
        start + std::chrono::microseconds((unit.pts - units.front().pts) * 1000 / kTicksPerMs));
    sent[unit.pts] = system_clock().now();
    TRICKLE_TRY(write(unit));
  }
  return sent;
}

Delays compare(const SendTimes& sent, const std::map<int64_t, TimePoint>& arrived,
               std::chrono::milliseconds settling) {
  Delays result;
  if (sent.empty()) return result;
  const int64_t settled = sent.begin()->first + settling.count() * kTicksPerMs;
  const bool by_pts = has_same_timestamps(sent, arrived);
  const std::vector<TimePoint> came = values_of(arrived);
  size_t left = sent.size();
  for (const auto& [pts, at] : sent) {
    const size_t from_the_end = left--;
    if (pts < settled) continue;
    if (by_pts) {
      const auto found = arrived.find(pts);
      result.missing += found == arrived.end() ? 1 : 0;
      if (found != arrived.end()) result.delays.add(found->second - at);
    } else {
      result.missing += from_the_end > came.size() ? 1 : 0;
      if (from_the_end <= came.size()) result.delays.add(came[came.size() - from_the_end] - at);
    }
  }
  return result;
}

Result<void> run_serve_bench(const ServeBenchOptions& options, const StopToken& stop) {
  TRICKLE_TRY_ASSIGN(const auto setting, ServeSetting::make(options, stop));
  switch (options.what) {
    case ServeBenchOptions::What::kLoad:
      return measure_load(*setting);
    case ServeBenchOptions::What::kCapacity:
      return measure_capacity(*setting);
    case ServeBenchOptions::What::kStart:
      break;
  }
  return measure_start(*setting);
}

}  // namespace trickle::bench
