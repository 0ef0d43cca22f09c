// From the start of a stream to its first byte, with spare programs ready and without.
#include <fmt/format.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/try.h"
#include "bench/report.h"
#include "bench/serve_setting.h"
#include "bench/worker_under_test.h"
#include "io/fd_io.h"

namespace trickle::bench {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto kFirstByteDeadline = 30s;
// Until the spare programs that a stream has taken are there again.
constexpr auto kRest = 3s;

// The clip over and over, at its own pace, as channel `in`.
struct LiveInput {
  Program source, publisher;

  static Result<LiveInput> start(const ServeSetting& setting) {
    TRICKLE_TRY_ASSIGN(Pipe pipe, make_pipe());
    LiveInput input;
    TRICKLE_TRY_ASSIGN(
        input.source, Program::start({"ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i",
                                      setting.clip_path, "-c", "copy", "-muxdelay", "0", "-f", "mpegts", "-"},
                                     {-1, pipe.write_end.get(), -1}));
    TRICKLE_TRY_ASSIGN(input.publisher, Program::start({program_beside("trickle-pub"), "--log-level",
                                                        "warning", setting.url("in")},
                                                       {pipe.read_end.get(), -1, -1}));
    return input;
  }
};

struct Took {
  double answered_ms = 0, first_byte_ms = 0;
};

Result<Took> time_start(const ServeSetting& setting, const LiveWorker& worker, const std::string& out) {
  TRICKLE_TRY(setting.create_channel(out));
  std::atomic<int64_t> first{0};
  const ChannelReader reader(setting.relay_address, out, [&](std::span<const uint8_t>, TimePoint now) {
    int64_t none = 0;
    first.compare_exchange_strong(none, now.time_since_epoch().count());
  });
  std::this_thread::sleep_for(200ms);  // The reader waits for segment 0.
  const TimePoint begin = system_clock().now();
  TRICKLE_TRY(worker.start_stream(setting.start_request(out, "in", out)));
  const std::chrono::duration<double, std::milli> answered = system_clock().now() - begin;
  while (first == 0) {
    if (setting.stop.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped");
    if (system_clock().now() - begin > kFirstByteDeadline) {
      return unexpected(ErrorKind::kNetwork, "no byte of the stream has come");
    }
    std::this_thread::sleep_for(1ms);
  }
  const TimePoint at{Duration(first.load())};
  const std::chrono::duration<double, std::milli> took = at - begin;
  TRICKLE_TRY(worker.stop_stream(out));
  return Took{answered.count(), took.count()};
}

}  // namespace

Result<void> measure_start(const ServeSetting& setting) {
  TRICKLE_TRY_ASSIGN(const LiveInput input, LiveInput::start(setting));
  const std::vector<WorkerKind> kinds{own_worker("with spare programs", {}),
                                      own_worker("every program started anew", {"--warm", "0"})};
  std::vector<LiveWorker> workers;
  for (const WorkerKind& kind : kinds) {
    TRICKLE_TRY_ASSIGN(LiveWorker worker, LiveWorker::start(kind, setting.stop));
    workers.push_back(std::move(worker));
  }
  std::vector<std::vector<double>> answered(kinds.size()), first(kinds.size());
  // The first round brings the files into memory and does not count.
  for (size_t round = 0; round <= setting.options.rounds; ++round) {
    for (size_t i = 0; i < workers.size(); ++i) {
      std::this_thread::sleep_for(kRest / workers.size());
      TRICKLE_TRY_ASSIGN(const Took took,
                         time_start(setting, workers[i], fmt::format("out-{}-{}", round, i)));
      if (round == 0) continue;
      answered[i].push_back(took.answered_ms);
      first[i].push_back(took.first_byte_ms);
    }
  }
  Table table({"trickle-serve", "answered ms", "first byte ms", "min", "max"});
  json document{{"bench", "serve start"}, {"machine", machine()}, {"sides", json::array()}};
  for (size_t i = 0; i < kinds.size(); ++i) {
    const Spread spread = spread_of(first[i]);
    table.add({kinds[i].label, fmt::format("{:.1f}", spread_of(answered[i]).median),
               fmt::format("{:.1f}", spread.median), fmt::format("{:.1f}", spread.min),
               fmt::format("{:.1f}", spread.max)});
    document["sides"].push_back(
        {{"side", kinds[i].label}, {"answered_ms", answered[i]}, {"first_byte_ms", first[i]}});
  }
  TRICKLE_TRY(print(machine_line() + "\n" + table.to_string()));
  return write_json(setting.options.json, document);
}

}  // namespace trickle::bench
