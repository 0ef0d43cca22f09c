// How many streams this machine carries with no frame late: through trickle-serve, and as one ffmpeg process
// each.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/log.h"
#include "base/try.h"
#include "bench/report.h"
#include "bench/serve_setting.h"
#include "bench/worker_under_test.h"
#include "io/fd_io.h"

namespace trickle::bench {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

// ffmpeg probes its input, and makes up for that afterwards.
constexpr auto kSettling = 3000ms;
constexpr size_t kPipeBytes = 1 << 20;

// When the frames of one stream came; one thread writes, another reads afterwards.
struct Arrivals {
  std::mutex mutex;
  ArrivalTimes times;
  void take(std::span<const uint8_t> bytes, TimePoint now) {
    const std::lock_guard lock(mutex);
    times.take(bytes, now);
  }
};

// The worst of a number of streams.
struct Trial {
  size_t missing = 0;
  double worst_ms = 0;
  [[nodiscard]] bool in_time(double max_delay_ms) const { return missing == 0 && worst_ms <= max_delay_ms; }
};

Trial judge(const SendTimes& sent, std::vector<std::unique_ptr<Arrivals>>& streams) {
  Trial trial;
  for (const auto& stream : streams) {
    const std::lock_guard lock(stream->mutex);
    const Delays delays = compare(sent, stream->times.by_pts(), kSettling);
    trial.missing += delays.missing;
    trial.worst_ms = std::max(trial.worst_ms, static_cast<double>(delays.delays.max().count()) / 1e6);
  }
  return trial;
}

// Until every frame has come, or those that haven't are late anyway.
void wait_for_rest(const ServeSetting& setting, const SendTimes& sent,
                   std::vector<std::unique_ptr<Arrivals>>& streams) {
  const auto longest = std::chrono::milliseconds(static_cast<int64_t>(setting.options.max_delay_ms)) + 500ms;
  const TimePoint deadline = system_clock().now() + longest;
  while (judge(sent, streams).missing > 0 && system_clock().now() < deadline &&
         !setting.stop.stop_requested()) {
    std::this_thread::sleep_for(10ms);
  }
}

Result<Trial> try_serve(const ServeSetting& setting, size_t count, int trial) {
  const auto name = [&](size_t i) { return fmt::format("capacity-{}-{}-{}", trial, count, i); };
  TRICKLE_TRY_ASSIGN(
      const LiveWorker worker,
      LiveWorker::start(own_worker("trickle-serve", {"--capacity", std::to_string(count)}), setting.stop));
  const std::string in = name(count);
  TRICKLE_TRY(setting.create_channel(in));
  TRICKLE_TRY_ASSIGN(Pipe source, make_pipe());
  TRICKLE_TRY_ASSIGN(const Program publisher, Program::start({program_beside("trickle-pub"), "--log-level",
                                                              "warning", setting.url(in)},
                                                             {source.read_end.get(), -1, -1}));
  source.read_end.reset();
  std::vector<std::unique_ptr<Arrivals>> streams;
  std::vector<std::unique_ptr<ChannelReader>> readers;
  for (size_t i = 0; i < count; ++i) {
    TRICKLE_TRY(setting.create_channel(name(i)));
    auto* arrivals = streams.emplace_back(std::make_unique<Arrivals>()).get();
    readers.push_back(std::make_unique<ChannelReader>(
        setting.relay_address, name(i),
        [arrivals](std::span<const uint8_t> bytes, TimePoint now) { arrivals->take(bytes, now); }));
    TRICKLE_TRY(worker.start_stream(setting.start_request(name(i), in, name(i))));
  }
  std::this_thread::sleep_for(2s);  // All of them wait for their input.
  TRICKLE_TRY_ASSIGN(const SendTimes sent,
                     feed_paced(setting.units, setting.stop, [&](const AccessUnit& unit) {
                       return write_full(source.write_end.get(), std::as_bytes(unit.bytes));
                     }));
  source.write_end.reset();
  wait_for_rest(setting, sent, streams);
  readers.clear();
  Trial result = judge(sent, streams);
  for (size_t i = 0; i < count; ++i) (void)setting.delete_channel(name(i));
  (void)setting.delete_channel(in);
  return result;
}

std::vector<std::string> ffmpeg_command(const std::string& graph) {
  std::vector<std::string> command{"ffmpeg", "-nostdin", "-v",     "error", "-copyts", "-analyzeduration",
                                   "500000", "-f",       "mpegts", "-i",    "-"};
  if (!graph.empty()) command.insert(command.end(), {"-vf", graph});
  // The encoder's settings are those of trickle-encode without options.
  command.insert(command.end(), {"-c:v",
                                 "libx264",
                                 "-preset",
                                 "superfast",
                                 "-tune",
                                 "zerolatency",
                                 "-crf",
                                 "23",
                                 "-g",
                                 "100000",
                                 "-force_key_frames",
                                 "expr:gte(t,n_forced*2)",
                                 "-an",
                                 "-muxdelay",
                                 "0",
                                 "-muxpreload",
                                 "0",
                                 "-flush_packets",
                                 "1",
                                 "-f",
                                 "mpegts",
                                 "-"});
  return command;
}

// One ffmpeg, its pipes, and a thread that reads what it makes.
class Converter {
 public:
  static Result<std::unique_ptr<Converter>> start(const std::string& graph, Arrivals& arrivals) {
    TRICKLE_TRY_ASSIGN(Pipe in, make_pipe());
    TRICKLE_TRY_ASSIGN(Pipe out, make_pipe());
    grow_pipe(in.write_end.get(), kPipeBytes);
    grow_pipe(out.write_end.get(), kPipeBytes);
    ::fcntl(in.write_end.get(), F_SETFL, O_NONBLOCK);
    TRICKLE_TRY_ASSIGN(Program program,
                       Program::start(ffmpeg_command(graph), {in.read_end.get(), out.write_end.get(), -1}));
    return std::unique_ptr<Converter>(
        new Converter(std::move(program), std::move(in.write_end), std::move(out.read_end), arrivals));
  }
  ~Converter() {
    program_ = Program();
    thread_.join();
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  // What doesn't fit waits here; nobody is held up.
  void feed(std::span<const uint8_t> bytes) {
    waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
    const ssize_t count = ::write(input_.get(), waiting_.data(), waiting_.size());
    if (count > 0) waiting_.erase(waiting_.begin(), waiting_.begin() + count);
  }
  void end_input() { input_.reset(); }

 private:
  Converter(Program program, UniqueFd input, UniqueFd output, Arrivals& arrivals)
      : program_(std::move(program)), input_(std::move(input)), output_(std::move(output)) {
    thread_ = std::thread([this, &arrivals] {
      std::vector<uint8_t> buffer(256 * 1024);
      ssize_t count = 0;
      while ((count = ::read(output_.get(), buffer.data(), buffer.size())) > 0) {
        arrivals.take(std::span(buffer).first(static_cast<size_t>(count)), system_clock().now());
      }
    });
  }
  Program program_;
  UniqueFd input_, output_;
  std::vector<uint8_t> waiting_;
  std::thread thread_;
};

Result<std::string> graph_for(const std::string& effect) {
  if (effect == "none") return std::string();
  if (effect == "red_tint") return std::string("format=gbrp,lutrgb=r='clip(val+127.5,0,255)',format=yuv420p");
  return unexpected(ErrorKind::kUsage, "what ffmpeg does is known for red_tint and none only");
}

Result<Trial> try_ffmpeg(const ServeSetting& setting, size_t count, int) {
  TRICKLE_TRY_ASSIGN(const std::string graph, graph_for(setting.options.effect));
  std::vector<std::unique_ptr<Arrivals>> streams;
  std::vector<std::unique_ptr<Converter>> converters;
  for (size_t i = 0; i < count; ++i) {
    streams.push_back(std::make_unique<Arrivals>());
    TRICKLE_TRY_ASSIGN(auto converter, Converter::start(graph, *streams.back()));
    converters.push_back(std::move(converter));
  }
  std::this_thread::sleep_for(2s);
  TRICKLE_TRY_ASSIGN(const SendTimes sent,
                     feed_paced(setting.units, setting.stop, [&](const AccessUnit& unit) {
                       for (const auto& converter : converters) converter->feed(unit.bytes);
                       return Result<void>();
                     }));
  for (const auto& converter : converters) converter->end_input();
  wait_for_rest(setting, sent, streams);
  converters.clear();
  return judge(sent, streams);
}

using Try = Result<Trial> (*)(const ServeSetting&, size_t count, int trial);

struct Found {
  size_t most = 0;
  json trials = json::array();
};

// Doubles until it is too much, then halves the distance.
Result<Found> search(const ServeSetting& setting, const char* label, Try attempt) {
  static int trials = 0;
  Found found;
  size_t too_many = setting.options.max_streams + 1;
  size_t next = std::min<size_t>(4, setting.options.max_streams);
  while (found.most + 1 < too_many) {
    TRICKLE_TRY_ASSIGN(const Trial trial, attempt(setting, next, ++trials));
    const bool carried = trial.in_time(setting.options.max_delay_ms);
    log::info("{}: {} streams, the latest frame after {:.0f} ms, {} missing{}", label, next, trial.worst_ms,
              trial.missing, carried ? "" : ": too many");
    found.trials.push_back(
        {{"streams", next}, {"latest_ms", trial.worst_ms}, {"missing", trial.missing}, {"in_time", carried}});
    (carried ? found.most : too_many) = next;
    const size_t twice = found.most * 2;
    next = carried && twice < too_many ? twice : (found.most + too_many) / 2;
  }
  return found;
}

}  // namespace

Result<void> measure_capacity(const ServeSetting& setting) {
  if (setting.options.shape.seconds < 5)
    return unexpected(ErrorKind::kUsage, "--capacity needs --seconds of 5 or more: the first 3 don't count");
  const std::pair<const char*, Try> sides[] = {{"trickle-serve", try_serve}, {"one ffmpeg each", try_ffmpeg}};
  std::vector<double> most[2], ratios;
  json document{{"bench", "serve capacity"},
                {"machine", machine()},
                {"max_delay_ms", setting.options.max_delay_ms},
                {"rounds", json::array()}};
  for (size_t round = 0; round < setting.options.rounds; ++round) {
    json entry = json::object();
    for (size_t side = 0; side < 2; ++side) {
      TRICKLE_TRY_ASSIGN(const Found found, search(setting, sides[side].first, sides[side].second));
      most[side].push_back(static_cast<double>(found.most));
      entry[sides[side].first] = {{"streams", found.most}, {"trials", found.trials}};
    }
    document["rounds"].push_back(entry);
    ratios.push_back(most[1].back() > 0 ? most[0].back() / most[1].back() : 0);
  }
  Table table({"", "streams in time (min..max)", "x"});
  for (size_t side = 0; side < 2; ++side) {
    const Spread spread = spread_of(most[side]);
    table.add({sides[side].first,
               fmt::format("{:.0f} ({:.0f}..{:.0f})", spread.median, spread.min, spread.max),
               side == 0 ? fmt::format("{:.2f}", spread_of(ratios).median) : ""});
  }
  TRICKLE_TRY(print(machine_line() + "\n" + table.to_string()));
  return write_json(setting.options.json, document);
}

}  // namespace trickle::bench
