// One stream: as fast as it goes, and at its own pace; ours, and beside it the worker in Python.
#include <fcntl.h>
#include <fmt/format.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/log.h"
#include "base/try.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/serve_setting.h"
#include "bench/worker_under_test.h"
#include "io/fd_io.h"

namespace trickle::bench {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

// Nothing more comes out after so long a pause.
constexpr auto kSilence = 10s;
constexpr auto kSettling = 2000ms;

double milliseconds(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }

// Frames of an output channel as they arrive.
class Output {
 public:
  Output(const ServeSetting& setting, const std::string& channel)
      : reader_(setting.relay_address, channel, [this](std::span<const uint8_t> bytes, TimePoint now) {
          const std::lock_guard lock(mutex_);
          arrivals_.take(bytes, now);
          last_ = now;
        }) {}
  [[nodiscard]] size_t frames() const {
    const std::lock_guard lock(mutex_);
    return arrivals_.by_pts().size();
  }
  [[nodiscard]] std::map<int64_t, TimePoint> by_pts() const {
    const std::lock_guard lock(mutex_);
    return arrivals_.by_pts();
  }
  [[nodiscard]] TimePoint last() const {
    const std::lock_guard lock(mutex_);
    return last_;
  }
  // Until so many frames have come, the channel has ended, or nothing comes any more.
  Result<void> wait_for(size_t frames_wanted, const StopToken& stop) const {
    const TimePoint begin = system_clock().now();
    while (!reader_.ended() && frames() < frames_wanted) {
      if (stop.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped");
      if (system_clock().now() - std::max(begin, last()) > kSilence) return {};
      std::this_thread::sleep_for(5ms);
    }
    return {};
  }

 private:
  mutable std::mutex mutex_;
  ArrivalTimes arrivals_;
  TimePoint last_{};
  ChannelReader reader_;  // Last: its thread uses the others.
};

struct Sample {
  double ready_ms = 0, fps = 0, cpu_ms_per_frame = 0, p50_ms = 0, p99_ms = 0;
  double idle_pss_mb = 0, running_pss_mb = 0;
  size_t frames = 0;   // Of the unpaced run.
  size_t missing = 0;  // Of the paced run.
};

class LoadBench {
 public:
  explicit LoadBench(const ServeSetting& setting) : setting_(setting) {}

  Result<Sample> measure(const WorkerKind& kind) {
    TRICKLE_TRY_ASSIGN(const LiveWorker worker, LiveWorker::start(kind, setting_.stop));
    std::this_thread::sleep_for(1s);  // Whatever it makes ready beforehand is.
    Sample sample{.ready_ms = milliseconds(worker.ready_after())};
    sample.idle_pss_mb = pss_mb(worker);
    TRICKLE_TRY(run_unpaced(worker, sample));
    TRICKLE_TRY(run_paced(worker, sample));
    return sample;
  }

 private:
  static double pss_mb(const LiveWorker& worker) {
    return static_cast<double>(memory_of_tree(worker.pid()).pss_bytes) / 1e6;
  }

  // Everything is there at once, and all of it is to go through.
  Result<void> run_unpaced(const LiveWorker& worker, Sample& sample) {
    const std::string name = fmt::format("unpaced-{}", ++streams_);
    TRICKLE_TRY(setting_.create_channel(name + "-in"));
    TRICKLE_TRY(setting_.create_channel(name));
    const Output output(setting_, name);
    json start = setting_.start_request(name, name + "-in", name);
    start["params"]["on_lag"] = "block";
    TRICKLE_TRY(worker.start_stream(start));
    std::this_thread::sleep_for(1s);  // The stream waits for its input.
    const UniqueFd clip(::open(setting_.clip_path.c_str(), O_RDONLY | O_CLOEXEC));
    const auto cpu_before = cpu_time_of_tree(worker.pid());
    const TimePoint begin = system_clock().now();
    TRICKLE_TRY_ASSIGN(Program publisher,
                       Program::start({program_beside("trickle-pub"), "--log-level", "warning",
                                       "--keep-channel", setting_.url(name + "-in")},
                                      {clip.get(), -1, -1}));
    TRICKLE_TRY(output.wait_for(setting_.units.size(), setting_.stop));
    sample.frames = output.frames();
    const std::chrono::duration<double> took = output.last() - begin;
    const auto cpu = cpu_time_of_tree(worker.pid()) - cpu_before;
    publisher.wait();
    TRICKLE_TRY(worker.stop_stream(name));
    if (sample.frames == 0) return unexpected(ErrorKind::kBadData, "not a frame came out");
    sample.fps = static_cast<double>(sample.frames) / took.count();
    sample.cpu_ms_per_frame = milliseconds(cpu) / static_cast<double>(sample.frames);
    return {};
  }

  Result<void> run_paced(const LiveWorker& worker, Sample& sample) {
    const std::string name = fmt::format("paced-{}", ++streams_);
    TRICKLE_TRY(setting_.create_channel(name + "-in"));
    TRICKLE_TRY(setting_.create_channel(name));
    const Output output(setting_, name);
    TRICKLE_TRY_ASSIGN(Pipe source, make_pipe());
    TRICKLE_TRY_ASSIGN(Program publisher,
                       Program::start({program_beside("trickle-pub"), "--log-level", "warning",
                                       "--keep-channel", setting_.url(name + "-in")},
                                      {source.read_end.get(), -1, -1}));
    source.read_end.reset();
    TRICKLE_TRY(worker.start_stream(setting_.start_request(name, name + "-in", name)));
    std::this_thread::sleep_for(1s);
    TRICKLE_TRY_ASSIGN(const SendTimes sent,
                       feed_paced(setting_.units, setting_.stop, [&](const AccessUnit& unit) {
                         return write_full(source.write_end.get(), std::as_bytes(unit.bytes));
                       }));
    sample.running_pss_mb = pss_mb(worker);
    source.write_end.reset();
    publisher.wait();
    TRICKLE_TRY(output.wait_for(setting_.units.size(), setting_.stop));
    TRICKLE_TRY(worker.stop_stream(name));
    const Delays delays = compare(sent, output.by_pts(), kSettling);
    sample.missing = delays.missing;
    sample.p50_ms = milliseconds(delays.delays.at(0.5));
    sample.p99_ms = milliseconds(delays.delays.at(0.99));
    return {};
  }

  const ServeSetting& setting_;
  int streams_ = 0;
};

struct Figure {
  const char* name;
  const char* key;
  double Sample::*value;
};

constexpr Figure kFigures[] = {{"ready ms", "ready_ms", &Sample::ready_ms},
                               {"fps", "fps", &Sample::fps},
                               {"CPU ms/frame", "cpu_ms_per_frame", &Sample::cpu_ms_per_frame},
                               {"p50 ms", "p50_ms", &Sample::p50_ms},
                               {"p99 ms", "p99_ms", &Sample::p99_ms},
                               {"idle PSS MB", "idle_pss_mb", &Sample::idle_pss_mb},
                               {"running PSS MB", "running_pss_mb", &Sample::running_pss_mb}};

std::vector<double> column(const std::vector<Sample>& samples, double Sample::*value) {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(sample.*value);
  return values;
}

// The median of the ratios within the rounds, ours to the other's.
double ratio(const std::vector<std::vector<Sample>>& samples, double Sample::*value) {
  std::vector<double> ratios;
  for (size_t round = 0; round < samples[0].size(); ++round) {
    const double other = samples[1][round].*value;
    ratios.push_back(other > 0 ? samples[0][round].*value / other : 0);
  }
  return spread_of(ratios).median;
}

Result<void> report(const ServeSetting& setting, const std::vector<WorkerKind>& kinds,
                    const std::vector<std::vector<Sample>>& samples) {
  std::vector<std::string> heads{""};
  for (const Figure& figure : kFigures) heads.emplace_back(figure.name);
  heads.emplace_back("missing");
  Table table(heads);
  json document{{"bench", "serve load"},
                {"machine", machine()},
                {"frames", setting.units.size()},
                {"sides", json::array()}};
  for (size_t side = 0; side < kinds.size(); ++side) {
    std::vector<std::string> row{kinds[side].label};
    json entry{{"side", kinds[side].label}};
    for (const Figure& figure : kFigures) {
      const auto values = column(samples[side], figure.value);
      row.push_back(fmt::format("{:.1f}", spread_of(values).median));
      entry[figure.key] = values;
    }
    size_t missing = 0;
    for (const Sample& sample : samples[side])
      missing += sample.missing + (setting.units.size() - std::min(setting.units.size(), sample.frames));
    entry["missing"] = missing;
    row.push_back(std::to_string(missing));
    table.add(row);
    document["sides"].push_back(entry);
  }
  if (kinds.size() > 1) {
    std::vector<std::string> row{"ratio"};
    for (const Figure& figure : kFigures) {
      const double value = ratio(samples, figure.value);
      row.push_back(fmt::format("{:.3f}", value));
      document["ratios"][figure.key] = value;
    }
    table.add(row);
  }
  TRICKLE_TRY(print(machine_line() + "\n" + table.to_string()));
  TRICKLE_TRY(write_json(setting.options.json, document));
  const size_t lost = document["sides"][0]["missing"];
  if (lost == 0) return {};
  return unexpected(ErrorKind::kBadData, fmt::format("{} frames did not come out of trickle-serve", lost));
}

}  // namespace

Result<void> measure_load(const ServeSetting& setting) {
  std::vector<WorkerKind> kinds{own_worker("trickle-serve", {})};
  if (!setting.options.peer.empty()) {
    TRICKLE_TRY_ASSIGN(WorkerKind peer, peer_worker(setting.options.peer));
    kinds.push_back(std::move(peer));
  }
  std::vector<std::vector<Sample>> samples(kinds.size());
  LoadBench bench(setting);
  for (size_t round = 0; round < setting.options.rounds; ++round) {
    for (size_t side = 0; side < kinds.size(); ++side) {
      TRICKLE_TRY_ASSIGN(const Sample sample, bench.measure(kinds[side]));
      log::info("round {} of {}: {} made {:.1f} fps", round + 1, setting.options.rounds, kinds[side].label,
                sample.fps);
      samples[side].push_back(sample);
    }
  }
  return report(setting, kinds, samples);
}

}  // namespace trickle::bench
