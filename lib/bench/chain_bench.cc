#include "bench/chain_bench.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/log.h"
#include "base/try.h"
#include "bench/chain_run.h"
#include "bench/report.h"
#include "bench/statistics.h"
#include "bench/tcp.h"
#include "io/fd_io.h"

namespace trickle::bench {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

double seconds_since(TimePoint start) {
  return std::chrono::duration<double>(system_clock().now() - start).count();
}
double milliseconds(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }

// What one side of a round took. CPU time in milliseconds by process.
struct Sample {
  double seconds = 0;
  std::map<std::string, double> cpu_ms;
  [[nodiscard]] double total_cpu_ms() const {
    double total = 0;
    for (const auto& [name, ms] : cpu_ms) total += ms;
    return total;
  }
};

// Of one paced run: from the last byte of an access unit in to that of its processed one out.
struct Delays {
  Histogram all, keyframes, endless;  // The last: those whose end only the next access unit shows.
  size_t missing = 0;
};

class ChainBench {
 public:
  ChainBench(const ChainBenchOptions& options, const StopToken& stop) : options_(options), stop_(stop) {}
  Result<void> prepare();
  Result<void> measure_throughput();
  Result<void> measure_latency();

 private:
  Result<Sample> run_chain();
  Result<Sample> run_ffmpeg(const std::string& graph) const;
  Result<void> check_output(const std::string& channel) const;
  Result<void> publish_clip();
  Result<int64_t> next_number(const std::string& channel) const;
  [[nodiscard]] std::string url(const std::string& channel) const {
    return fmt::format("http://127.0.0.1:{}/{}", relay_.port, channel);
  }
  Result<void> report_throughput(const std::vector<std::vector<Sample>>& rounds) const;
  Result<Delays> time_frames() const;
  [[nodiscard]] Delays delays_of(const std::map<int64_t, TimePoint>& sent,
                                 const ArrivalTimes& arrivals) const;
  Result<double> time_first_frame() const;
  Result<int> feed(int fd, std::map<int64_t, TimePoint>& sent) const;

  const ChainBenchOptions& options_;
  const StopToken& stop_;
  const ScratchDirectory scratch_;
  std::string clip_path_;
  std::vector<uint8_t> clip_;
  std::vector<AccessUnit> units_;
  ServerProgram relay_;
  int64_t segments_ = 0;
  int round_ = 0;
};

Result<void> ChainBench::prepare() {
  clip_path_ = options_.clip.empty() ? scratch_.file("clip.ts") : options_.clip;
  if (options_.clip.empty()) TRICKLE_TRY(make_bench_clip(options_.shape, clip_path_));
  TRICKLE_TRY_ASSIGN(clip_, read_clip(clip_path_));
  units_ = access_units(clip_);
  if (units_.size() < 2) return unexpected(ErrorKind::kUsage, "'" + clip_path_ + "' has no H.264 in MPEG-TS");
  TRICKLE_TRY_ASSIGN(
      relay_, ServerProgram::start({program_beside("trickle-relay"), "--listen", "127.0.0.1:0", "--log-level",
                                    "warning", "--window", "100000", "--max-segment-bytes", "1G",
                                    "--max-channel-bytes", "4G"}));
  return {};
}

Result<int64_t> ChainBench::next_number(const std::string& channel) const {
  TRICKLE_TRY_ASSIGN(const ServerAddress server, resolve_server(url("")));
  TRICKLE_TRY_ASSIGN(const AnswerHead head, request(server, "GET", "/" + channel + "/next", ""));
  return head.latest;
}

Result<void> ChainBench::publish_clip() {
  const UniqueFd clip(::open(clip_path_.c_str(), O_RDONLY | O_CLOEXEC));
  TRICKLE_TRY(run_program(tool_stage("pub", {"--keep-channel", url("in")}).command, {clip.get(), -1, -1}));
  TRICKLE_TRY_ASSIGN(segments_, next_number("in"));
  return {};
}

// Every frame of the clip must have come out.
Result<void> ChainBench::check_output(const std::string& channel) const {
  TRICKLE_TRY_ASSIGN(const int64_t segments, next_number(channel));
  const std::string path = scratch_.file("out.ts");
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  TRICKLE_TRY(run_program(
      tool_stage("sub", {"--start", "oldest", "--segments", std::to_string(segments), url(channel)}).command,
      {-1, file.get(), -1}));
  TRICKLE_TRY_ASSIGN(const std::vector<uint8_t> out, read_clip(path));
  const size_t frames = access_units(out).size();
  if (frames == units_.size()) return {};
  return unexpected(ErrorKind::kBadData,
                    fmt::format("{} frames went into the chain and {} came out", units_.size(), frames));
}

Result<Sample> ChainBench::run_chain() {
  const std::string channel = fmt::format("out-{}", round_++);
  const pid_t relay = relay_.program.pid();
  TRICKLE_TRY_ASSIGN(const auto relay_before, cpu_time(relay));
  const TimePoint start = system_clock().now();
  TRICKLE_TRY_ASSIGN(RunningChain chain,
                     RunningChain::start(chain_stages({"--start", "oldest", "--segments",
                                                       std::to_string(segments_), url("in")},
                                                      options_.effect, {"--keep-channel", url(channel)}),
                                         options_.shm));
  TRICKLE_TRY_ASSIGN(const auto ended, chain.wait());
  Sample sample{.seconds = seconds_since(start), .cpu_ms = {}};
  for (const auto& [name, end] : ended) sample.cpu_ms[name] = milliseconds(end.cpu);
  TRICKLE_TRY_ASSIGN(const auto relay_after, cpu_time(relay));
  sample.cpu_ms["relay"] = milliseconds(relay_after - relay_before);
  TRICKLE_TRY(check_output(channel));
  TRICKLE_TRY_ASSIGN(const ServerAddress server, resolve_server(url("")));
  TRICKLE_TRY(request(server, "DELETE", "/" + channel, ""));
  return sample;
}

// The encoder's settings are those of trickle-encode without options.
Result<Sample> ChainBench::run_ffmpeg(const std::string& graph) const {
  std::vector<std::string> command{"ffmpeg", "-nostdin", "-v", "error", "-y", "-i", clip_path_};
  if (!graph.empty()) command.insert(command.end(), {"-vf", graph});
  command.insert(command.end(), {"-c:v", "libx264", "-preset", "superfast", "-tune", "zerolatency", "-crf",
                                 "23", "-g", "100000", "-force_key_frames", "expr:gte(t,n_forced*2)", "-an",
                                 "-f", "mpegts", scratch_.file("ffmpeg.ts")});
  const TimePoint start = system_clock().now();
  TRICKLE_TRY_ASSIGN(const Ended ended, run_program(command));
  return Sample{.seconds = seconds_since(start), .cpu_ms = {{"ffmpeg", milliseconds(ended.cpu)}}};
}

Result<std::string> graph_for(const ChainBenchOptions& options) {
  if (!options.graph.empty()) return options.graph;
  if (options.effect == "none") return std::string();
  if (options.effect == "red_tint") {
    return std::string("format=gbrp,lutrgb=r='clip(val+127.5,0,255)',format=yuv420p");
  }
  return unexpected(ErrorKind::kUsage,
                    "what ffmpeg does in place of '" + options.effect + "' must be given by --graph");
}

Result<void> ChainBench::measure_throughput() {
  TRICKLE_TRY_ASSIGN(const std::string graph, graph_for(options_));
  TRICKLE_TRY(publish_clip());
  std::vector<std::vector<Sample>> rounds;
  for (size_t round = 0; round < options_.rounds; ++round) {
    if (stop_.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped");
    TRICKLE_TRY_ASSIGN(Sample chain, run_chain());
    TRICKLE_TRY_ASSIGN(Sample same, run_ffmpeg(graph));
    Sample codecs = same;
    if (!graph.empty()) {
      TRICKLE_TRY_ASSIGN(codecs, run_ffmpeg(""));
    }
    log::info("round {} of {}: chain {:.2f} s, ffmpeg {:.2f} s, without a filter {:.2f} s", round + 1,
              options_.rounds, chain.seconds, same.seconds, codecs.seconds);
    rounds.push_back({std::move(chain), std::move(same), std::move(codecs)});
  }
  return report_throughput(rounds);
}

Result<void> ChainBench::report_throughput(const std::vector<std::vector<Sample>>& rounds) const {
  const auto frames = static_cast<double>(units_.size());
  const std::vector<std::string> names{fmt::format("chain, {}", options_.effect), "ffmpeg, the same",
                                       "ffmpeg, no filter"};
  Table table({"", "fps (min..max)", "CPU ms/frame", "fps x", "CPU x"});
  json document{{"bench", "chain"},
                {"machine", machine()},
                {"frames", units_.size()},
                {"effect", options_.effect},
                {"frames_by", options_.shm ? "shared memory" : "pipes"},
                {"sides", json::array()}};
  std::map<std::string, std::vector<double>> by_process;
  for (size_t side = 0; side < names.size(); ++side) {
    std::vector<double> fps, cpu, fps_ratio, cpu_ratio;
    for (const auto& round : rounds) {
      fps.push_back(frames / round[side].seconds);
      cpu.push_back(round[side].total_cpu_ms() / frames);
      // The chain's rate against ffmpeg's with the filter, its CPU time against that of the codecs alone.
      fps_ratio.push_back(round[side].seconds > 0 ? round[1].seconds / round[side].seconds : 0);
      cpu_ratio.push_back(round[side].total_cpu_ms() / round[2].total_cpu_ms());
      if (side != 0) continue;
      for (const auto& [name, ms] : round[0].cpu_ms) by_process[name].push_back(ms / frames);
    }
    const Spread rate = spread_of(fps);
    table.add({names[side], fmt::format("{:.1f} ({:.1f}..{:.1f})", rate.median, rate.min, rate.max),
               fmt::format("{:.2f}", spread_of(cpu).median),
               fmt::format("{:.2f}", spread_of(fps_ratio).median),
               fmt::format("{:.2f}", spread_of(cpu_ratio).median)});
    document["sides"].push_back({{"side", names[side]},
                                 {"fps", fps},
                                 {"cpu_ms_per_frame", cpu},
                                 {"fps_ratio", spread_of(fps_ratio).median},
                                 {"cpu_ratio", spread_of(cpu_ratio).median}});
  }
  std::string stages = "of the chain's CPU ms/frame:";
  for (const auto& [name, values] : by_process) {
    stages += fmt::format(" {} {:.2f}", name, spread_of(values).median);
    document["cpu_ms_per_frame_by_process"][name] = spread_of(values).median;
  }
  TRICKLE_TRY(print(fmt::format("{}\n{}{}; all {} frames came out\n", machine_line(), table.to_string(),
                                stages, units_.size())));
  return write_json(options_.json, document);
}

// Writes each access unit when it is due. \return how many.
Result<int> ChainBench::feed(int fd, std::map<int64_t, TimePoint>& sent) const {
  int count = 0;
  const TimePoint start = system_clock().now();
  for (const AccessUnit& unit : units_) {
    if (stop_.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped");
    std::this_thread::sleep_until(start +
                                  std::chrono::microseconds((unit.pts - units_.front().pts) * 100 / 9));
    sent[unit.pts] = system_clock().now();
    TRICKLE_TRY(write_full(fd, std::as_bytes(unit.bytes)));
    ++count;
  }
  return count;
}

Delays ChainBench::delays_of(const std::map<int64_t, TimePoint>& sent, const ArrivalTimes& arrivals) const {
  Delays delays;
  const int64_t settled = units_.front().pts + 90'000;
  for (const AccessUnit& unit : units_) {
    const auto arrived = arrivals.by_pts().find(unit.pts);
    if (arrived == arrivals.by_pts().end()) {
      ++delays.missing;
    } else if (unit.pts >= settled) {
      const auto delay = arrived->second - sent.at(unit.pts);
      delays.all.add(delay);
      if (unit.keyframe) delays.keyframes.add(delay);
      if (!unit.shows_its_end) delays.endless.add(delay);
    }
  }
  return delays;
}

Result<Delays> ChainBench::time_frames() const {
  TRICKLE_TRY_ASSIGN(Pipe source, make_pipe());
  TRICKLE_TRY_ASSIGN(Pipe target, make_pipe());
  const std::string in = url(fmt::format("paced-in-{}", round_)),
                    out = url(fmt::format("paced-out-{}", round_));
  TRICKLE_TRY_ASSIGN(Program pub,
                     Program::start(tool_stage("pub", {in}).command, {source.read_end.get(), -1, -1}));
  TRICKLE_TRY_ASSIGN(
      RunningChain chain,
      RunningChain::start(chain_stages({"--wait=20", "--start", "oldest", in}, options_.effect, {out}),
                          options_.shm));
  TRICKLE_TRY_ASSIGN(Program sub,
                     Program::start(tool_stage("sub", {"--wait=20", "--start", "oldest", out}).command,
                                    {-1, target.write_end.get(), -1}));
  source.read_end.reset();
  target.write_end.reset();
  ArrivalTimes arrivals;
  std::thread reader([&] {
    std::vector<uint8_t> buffer(256 * 1024);
    ssize_t count = 0;
    while ((count = ::read(target.read_end.get(), buffer.data(), buffer.size())) > 0) {
      arrivals.take(std::span(buffer).first(static_cast<size_t>(count)), system_clock().now());
    }
  });
  std::map<int64_t, TimePoint> sent;
  std::this_thread::sleep_for(1s);  // Everything is up: what is measured is the stream, not the start.
  const auto fed = feed(source.write_end.get(), sent);
  source.write_end.reset();
  pub.wait();
  const auto ended = chain.wait();
  sub.wait();
  reader.join();
  TRICKLE_TRY(fed);
  TRICKLE_TRY(ended);
  return delays_of(sent, arrivals);
}

// From the first byte of a keyframe into a decoder that waits for it to its whole picture.
Result<double> ChainBench::time_first_frame() const {
  TRICKLE_TRY_ASSIGN(Pipe source, make_pipe());
  TRICKLE_TRY_ASSIGN(Pipe target, make_pipe());
  TRICKLE_TRY_ASSIGN(Program decode, Program::start(tool_stage("decode", {}).command,
                                                    {source.read_end.get(), target.write_end.get(), -1}));
  target.write_end.reset();
  std::this_thread::sleep_for(500ms);  // Warm.
  const size_t picture_bytes =
      static_cast<size_t>(options_.shape.width) * static_cast<size_t>(options_.shape.height) * 3 / 2;
  std::thread feeder([&] {
    for (size_t i = 0; i < std::min<size_t>(units_.size(), 30); ++i) {
      if (!write_full(source.write_end.get(), std::as_bytes(units_[i].bytes))) return;
      std::this_thread::sleep_for(33ms);
    }
  });
  const TimePoint start = system_clock().now();
  std::vector<uint8_t> buffer(1 << 20);
  size_t got = 0;
  while (got < picture_bytes) {
    const ssize_t count = ::read(target.read_end.get(), buffer.data(), buffer.size());
    if (count <= 0) break;
    got += static_cast<size_t>(count);
  }
  const double took = seconds_since(start) * 1e3;
  decode = Program();
  source.read_end.reset();
  feeder.join();
  if (got >= picture_bytes) return took;
  return unexpected(ErrorKind::kBadData, "trickle-decode gave no picture");
}

Result<void> ChainBench::measure_latency() {
  Table table({"round", "p50 ms", "p99 ms", "max ms", "keyframes p50", "end not shown (p50)", "missing",
               "first frame ms"});
  json document{{"bench", "chain latency"},
                {"machine", machine()},
                {"effect", options_.effect},
                {"frames_by", options_.shm ? "shared memory" : "pipes"},
                {"rounds", json::array()}};
  size_t lost = 0;
  for (size_t round = 0; round < options_.rounds; ++round, ++round_) {
    TRICKLE_TRY_ASSIGN(const Delays delays, time_frames());
    TRICKLE_TRY_ASSIGN(const double first, time_first_frame());
    lost += delays.missing;
    const double p50 = milliseconds(delays.all.at(0.5)), p99 = milliseconds(delays.all.at(0.99)),
                 max = milliseconds(delays.all.max()), key = milliseconds(delays.keyframes.at(0.5)),
                 endless = milliseconds(delays.endless.at(0.5));
    table.add({std::to_string(round + 1), fmt::format("{:.1f}", p50), fmt::format("{:.1f}", p99),
               fmt::format("{:.1f}", max), fmt::format("{:.1f}", key),
               fmt::format("{} of {} ({:.1f})", delays.endless.count(), delays.all.count(), endless),
               std::to_string(delays.missing), fmt::format("{:.1f}", first)});
    document["rounds"].push_back({{"p50_ms", p50},
                                  {"p99_ms", p99},
                                  {"max_ms", max},
                                  {"keyframes_p50_ms", key},
                                  {"end_not_shown", delays.endless.count()},
                                  {"end_not_shown_p50_ms", endless},
                                  {"missing", delays.missing},
                                  {"first_frame_ms", first}});
  }
  TRICKLE_TRY(print(machine_line() + "\n" + table.to_string()));
  TRICKLE_TRY(write_json(options_.json, document));
  if (lost == 0) return {};
  return unexpected(ErrorKind::kBadData, fmt::format("{} frames did not come out", lost));
}

}  // namespace

Result<void> run_chain_bench(const ChainBenchOptions& options, const StopToken& stop) {
  ChainBench bench(options, stop);
  TRICKLE_TRY(bench.prepare());
  return options.latency ? bench.measure_latency() : bench.measure_throughput();
}

}  // namespace trickle::bench
