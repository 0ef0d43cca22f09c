#include "bench/frames_bench.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/counters.h"
#include "base/try.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/statistics.h"
#include "codec/open.h"
#include "io/clock.h"
#include "io/fd_io.h"
#include "media/frame_memory.h"
#include "media/shm_pool.h"

namespace trickle::bench {
namespace {

using nlohmann::json;

constexpr size_t kLineBytes = 64;
constexpr size_t kMebibyte = 1 << 20;

struct Transport {
  const char* name;
  bool as_frames;     // A frame stream of ours; else bare pictures, one after the other.
  bool shared;        // Through shared memory.
  size_t pipe_bytes;  // 0: the system's 64 KiB.
  bool touched;       // Each cache line of a frame is written, and read again.
  bool hop = true;    // To another process; else all that is done is to write and read, in one: the limit.
};

constexpr std::array kTransports{Transport{"64 KiB pipe", false, false, 0, true},
                                 Transport{"1 MiB pipe", false, false, kMebibyte, true},
                                 Transport{"1 MiB pipe, as NUT", true, false, kMebibyte, true},
                                 Transport{"shared memory", true, true, 0, true},
                                 Transport{"1 MiB pipe, untouched", false, false, kMebibyte, false},
                                 Transport{"shared memory, untouched", true, true, 0, false},
                                 Transport{"no hop: the touching alone", false, false, 0, true, false}};
// So many are in use between two processes: the one that is written, those unread and the one that is read.
constexpr size_t kSlotsInUse = 4;

struct Sample {
  double fps = 0;
  double cpu_ms = 0;  ///< Of both processes, for each frame.
};

// What each line of frame `number` begins with.
uint8_t mark_of(size_t number) { return static_cast<uint8_t>(number % 251 + 1); }

bool has_mark(std::span<const uint8_t> picture, size_t number, bool touched) {
  const uint8_t mark = mark_of(number);
  bool right = picture[0] == mark;
  for (size_t at = 0; touched && at < picture.size(); at += kLineBytes) right &= picture[at] == mark;
  return right;
}

void put_mark(std::span<uint8_t> picture, size_t number, bool touched) {
  if (touched) std::memset(picture.data(), mark_of(number), picture.size());
  picture[0] = mark_of(number);
}

class FramesBench {
 public:
  explicit FramesBench(const FramesBenchOptions& options)
      : options_(options), format_(pixel_format_from_name(options.format)) {
    if (format_ != PixelFormat::kNone)
      picture_bytes_ = packed_picture_bytes(format_, options.width, options.height);
  }
  [[nodiscard]] bool possible() const { return format_ != PixelFormat::kNone; }

  Result<Sample> run(const Transport& transport) const {
    if (!transport.hop) return run_in_place(transport);
    TRICKLE_TRY_ASSIGN(Pipe pipe, make_pipe());
    if (transport.pipe_bytes > 0) grow_pipe(pipe.write_end.get(), transport.pipe_bytes);
    const TimePoint start = system_clock().now();
    const auto own_start = own_cpu_time();
    const pid_t reader = ::fork();
    if (reader < 0) return unexpected(ErrorKind::kIo, "cannot fork");
    if (reader == 0) {
      pipe.write_end.reset();
      ::_exit(read_all(transport, pipe.read_end.get()) ? 0 : 1);
    }
    pipe.read_end.reset();
    const auto written = transport.as_frames ? write_frames(transport, pipe.write_end.get())
                                             : write_pictures(transport, pipe.write_end.get());
    pipe.write_end.reset();
    int status = 0;
    rusage usage{};
    while (::wait4(reader, &status, 0, &usage) < 0 && errno == EINTR) {
    }
    TRICKLE_TRY(written);
    if (status != 0) {
      return unexpected(ErrorKind::kBadData,
                        fmt::format("{}: not all frames came out as they were", transport.name));
    }
    const auto seconds = std::chrono::duration<double>(system_clock().now() - start).count();
    const auto micros = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
    };
    const double reader_ms = (micros(usage.ru_utime) + micros(usage.ru_stime)) / 1e3;
    const double own_ms = static_cast<double>((own_cpu_time() - own_start).count()) / 1e6;
    const auto frames = static_cast<double>(options_.frames);
    return Sample{frames / seconds, (reader_ms + own_ms) / frames};
  }

 private:
  Result<Sample> run_in_place(const Transport& transport) const {
    std::vector<std::vector<uint8_t>> slots(kSlotsInUse, std::vector<uint8_t>(picture_bytes_));
    const TimePoint start = system_clock().now();
    const auto own_start = own_cpu_time();
    for (size_t i = 0; i < options_.frames; ++i) {
      std::vector<uint8_t>& picture = slots[i % kSlotsInUse];
      put_mark(picture, i, transport.touched);
      if (!has_mark(picture, i, transport.touched))
        return unexpected(ErrorKind::kInternal, "memory forgot what was written to it");
    }
    const auto seconds = std::chrono::duration<double>(system_clock().now() - start).count();
    const auto frames = static_cast<double>(options_.frames);
    return Sample{frames / seconds, static_cast<double>((own_cpu_time() - own_start).count()) / 1e6 / frames};
  }

  Result<void> write_pictures(const Transport& transport, int fd) const {
    std::vector<uint8_t> picture(picture_bytes_);
    for (size_t i = 0; i < options_.frames; ++i) {
      put_mark(picture, i, transport.touched);
      TRICKLE_TRY(write_full(fd, std::as_bytes(std::span(picture))));
    }
    return {};
  }

  Result<void> write_frames(const Transport& transport, int fd) const {
    const auto memory = transport.shared ? make_shared_memory() : make_heap_memory();
    StreamInfo info;
    info.video = VideoTrackInfo{.width = options_.width,
                                .height = options_.height,
                                .format = format_,
                                .time_base = {1, 90000},
                                .frame_rate = {30, 1},
                                .color = {},
                                .sample_aspect = {}};
    Counters counters;
    TRICKLE_TRY_ASSIGN(const auto sink,
                       open_frame_output(fd, info, counters, transport.shared ? memory : nullptr));
    for (size_t i = 0; i < options_.frames; ++i) {
      const auto piece = memory->take(picture_bytes_);
      if (!piece) return unexpected(ErrorKind::kIo, "memory is out");
      put_mark(std::span(piece.get(), picture_bytes_), i, transport.touched);
      VideoFrame frame = wrap_packed_picture(format_, options_.width, options_.height, piece.get(), piece);
      frame.timestamp.ticks = static_cast<int64_t>(i) * 3000;
      frame.duration_ticks = 3000;
      TRICKLE_TRY(sink->write(VideoItem{std::move(frame), {}}));
    }
    return sink->finish();
  }

  // In the child.
  bool read_all(const Transport& transport, int fd) const {
    return transport.as_frames ? read_frames(transport, fd) : read_pictures(transport, fd);
  }

  bool read_pictures(const Transport& transport, int fd) const {
    std::vector<uint8_t> picture(picture_bytes_);
    for (size_t i = 0; i < options_.frames; ++i) {
      const auto read = read_full(fd, std::as_writable_bytes(std::span(picture)), {});
      if (!read || read->status != ReadStatus::kReady || !has_mark(picture, i, transport.touched))
        return false;
    }
    return true;
  }

  bool read_frames(const Transport& transport, int fd) const {
    Counters counters;
    auto input = open_input(fd, {}, counters, {});
    if (!input || !input->source) return false;
    size_t count = 0;
    while (true) {
      auto item = input->source->read();
      if (!item) return false;
      if (!*item) return count == options_.frames;
      const auto* video = std::get_if<VideoItem>(&**item);
      if (video == nullptr) return false;
      const uint8_t* first = video->frame.planes[0].data;
      if (!has_mark(std::span(first, picture_bytes_), count++, transport.touched)) return false;
    }
  }

  const FramesBenchOptions& options_;
  PixelFormat format_;
  size_t picture_bytes_ = 0;
};

using Values = std::array<std::vector<double>, kTransports.size()>;

// How shared memory compares with the pipe of 1 MiB, by round; and what a transport that costs nothing would
// reach.
struct Comparison {
  std::vector<double> faster, cheaper;  // Shared memory.
  std::vector<double> most_faster,
      most_cheaper;                 // The touching alone: on a core for each process, and in all.
  std::vector<double> hop_cheaper;  // Both without the touching.
};

Comparison compare(const Values& fps, const Values& cpu) {
  constexpr size_t kPipe = 1, kShared = 3, kTouching = 6;
  // Writer and reader may touch different frames at the same time.
  constexpr double kProcesses = 2;
  Comparison result;
  for (size_t round = 0; round < fps[kPipe].size(); ++round) {
    const double pipe = cpu[kPipe][round], shared = cpu[kShared][round], touching = cpu[kTouching][round];
    result.faster.push_back(fps[kShared][round] / fps[kPipe][round]);
    result.cheaper.push_back(pipe / shared);
    result.most_faster.push_back(kProcesses * fps[kTouching][round] / fps[kPipe][round]);
    result.most_cheaper.push_back(pipe / touching);
    result.hop_cheaper.push_back((pipe - touching) / (shared - touching));
  }
  return result;
}

std::string sentences(const Comparison& by_round) {
  const auto median = [](const std::vector<double>& values) { return spread_of(values).median; };
  return fmt::format(
      "shared memory against the pipe of 1 MiB: {:.1f} x fps, 1/{:.1f} of the CPU time\n"
      "a hop that costs nothing (the touching alone, without another process): {:.1f} x fps, 1/{:.1f} of the "
      "CPU time\n"
      "the hop alone, what the touching costs taken off both: 1/{:.1f} of the CPU time\n",
      median(by_round.faster), median(by_round.cheaper), median(by_round.most_faster),
      median(by_round.most_cheaper), median(by_round.hop_cheaper));
}

}  // namespace

Result<void> run_frames_bench(const FramesBenchOptions& options, const StopToken& stop) {
  const FramesBench bench(options);
  if (!bench.possible())
    return unexpected(ErrorKind::kUsage, "unknown pixel format '" + options.format + "'");
  Values fps, cpu;
  for (size_t round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < kTransports.size(); ++i) {
      if (stop.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped");
      TRICKLE_TRY_ASSIGN(const Sample sample, bench.run(kTransports[i]));
      fps[i].push_back(sample.fps);
      cpu[i].push_back(sample.cpu_ms);
    }
  }
  Table table({"frames by", "fps (min..max)", "CPU ms/frame"});
  json document{{"bench", "frames"},        {"machine", machine()},     {"width", options.width},
                {"height", options.height}, {"format", options.format}, {"transports", json::array()}};
  for (size_t i = 0; i < kTransports.size(); ++i) {
    const Spread rate = spread_of(fps[i]), cost = spread_of(cpu[i]);
    table.add({kTransports[i].name, fmt::format("{:.0f} ({:.0f}..{:.0f})", rate.median, rate.min, rate.max),
               fmt::format("{:.3f}", cost.median)});
    document["transports"].push_back({{"name", kTransports[i].name},
                                      {"touched", kTransports[i].touched},
                                      {"fps", fps[i]},
                                      {"cpu_ms_per_frame", cpu[i]}});
  }
  const Comparison by_round = compare(fps, cpu);
  document["shared_against_pipe"] = {{"fps", by_round.faster}, {"cpu", by_round.cheaper}};
  document["most_against_pipe"] = {{"fps", by_round.most_faster}, {"cpu", by_round.most_cheaper}};
  TRICKLE_TRY(print(machine_line() + "\n" + table.to_string() + sentences(by_round)));
  return write_json(options.json, document);
}

}  // namespace trickle::bench
