#include "bench/cutter_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/try.h"
#include "bench/clip.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/statistics.h"
#include "io/clock.h"
#include "media/ts_cutter.h"
#include "media/ts_packet.h"

namespace trickle::bench {
namespace {

using nlohmann::json;
using Bytes = std::span<const uint8_t>;

void for_pieces(Bytes clip, size_t piece_bytes, const auto& take) {
  for (; !clip.empty(); clip = clip.subspan(std::min(piece_bytes, clip.size()))) {
    take(clip.first(std::min(piece_bytes, clip.size())));
  }
}

// Counts, and looks at no byte: what is measured is the cutter.
class CountingSink final : public SegmentSink {
 public:
  Result<void> begin_segment() override { return {}; }
  Result<void> write(Bytes bytes) override {
    written_bytes += bytes.size();
    return {};
  }
  uint64_t written_bytes = 0;
};

// Compares with the input, letting pass what the cutter may insert: packets of PAT and PMT.
class ComparingSink final : public SegmentSink {
 public:
  explicit ComparingSink(Bytes clip) : rest_(clip) {}
  Result<void> begin_segment() override { return {}; }
  Result<void> write(Bytes bytes) override {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    size_t at = 0;
    for (; out_.size() - at >= ts::kPacketBytes; at += ts::kPacketBytes) take_packet(out_.data() + at);
    out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(at));
    return {};
  }
  // Bytes of the input that did not come out, and packets that came out and are neither input nor tables.
  [[nodiscard]] size_t missing_bytes() const { return rest_.size() - std::min(rest_.size(), out_.size()); }
  [[nodiscard]] uint64_t inserted_bytes() const { return inserted_bytes_; }

 private:
  void take_packet(const uint8_t* packet) {
    if (rest_.size() >= ts::kPacketBytes && std::memcmp(packet, rest_.data(), ts::kPacketBytes) == 0) {
      rest_ = rest_.subspan(ts::kPacketBytes);
    } else {
      inserted_bytes_ += ts::kPacketBytes;
    }
  }
  Bytes rest_;
  std::vector<uint8_t> out_;
  uint64_t inserted_bytes_ = 0;
};

// Media time alone decides, so that a clip that goes by in a millisecond is cut as it would be live.
TsCutterOptions cutter_options() { return {.min_segment = std::chrono::milliseconds(0), .max_segment = {}}; }

Result<uint64_t> check(Bytes clip, size_t piece_bytes) {
  TsCutter cutter(cutter_options(), system_clock());
  ComparingSink sink(clip);
  Result<void> outcome;
  for_pieces(clip, piece_bytes, [&](Bytes piece) {
    if (outcome) outcome = cutter.add(piece, sink);
  });
  TRICKLE_TRY(std::move(outcome));
  TRICKLE_TRY(cutter.finish(sink));
  const auto& totals = cutter.totals();
  if (sink.missing_bytes() != 0 || sink.inserted_bytes() != totals.inserted_bytes ||
      totals.skipped_bytes != 0) {
    return unexpected(
        ErrorKind::kBadData,
        fmt::format("{} bytes of the clip did not come out, {} others did ({} were inserted as tables "
                    "and {} skipped as damaged)",
                    sink.missing_bytes(), sink.inserted_bytes(), totals.inserted_bytes,
                    totals.skipped_bytes));
  }
  return totals.segments;
}

// Bytes a second of CPU time.
template <typename Work>
double speed(size_t bytes, const Work& work) {
  const auto start = own_cpu_time();
  work();
  return static_cast<double>(bytes) / std::chrono::duration<double>(own_cpu_time() - start).count();
}

double cut_speed(Bytes clip, const CutterBenchOptions& options, size_t times) {
  return speed(clip.size() * times, [&] {
    for (size_t i = 0; i < times; ++i) {
      TsCutter cutter(cutter_options(), system_clock());
      CountingSink sink;
      for_pieces(clip, options.piece_bytes, [&](Bytes piece) { (void)cutter.add(piece, sink).has_value(); });
      (void)cutter.finish(sink).has_value();
    }
  });
}

double copy_speed(Bytes clip, const CutterBenchOptions& options, size_t times) {
  std::vector<uint8_t> target(options.piece_bytes);
  return speed(clip.size() * times, [&] {
    for (size_t i = 0; i < times; ++i) {
      for_pieces(clip, options.piece_bytes, [&](Bytes piece) {
        std::memcpy(target.data(), piece.data(), piece.size());
        asm volatile("" : : "r"(target.data()) : "memory");  // The copy is made, though nobody reads it.
      });
    }
  });
}

}  // namespace

Result<void> run_cutter_bench(const CutterBenchOptions& options, const StopToken& stop) {
  const ScratchDirectory scratch;
  const std::string path = options.clip.empty() ? scratch.file("clip.ts") : options.clip;
  if (options.clip.empty()) TRICKLE_TRY(make_bench_clip({}, path));
  TRICKLE_TRY_ASSIGN(const std::vector<uint8_t> clip, read_clip(path));
  TRICKLE_TRY_ASSIGN(const uint64_t segments, check(clip, options.piece_bytes));
  const size_t times = std::max<size_t>(1, options.bytes_per_round / clip.size());
  std::vector<double> cut, copy;
  for (size_t round = 0; round < options.rounds; ++round) {
    if (stop.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped");
    cut.push_back(cut_speed(clip, options, times) / 1e9);
    copy.push_back(copy_speed(clip, options, times) / 1e9);
  }
  Table table({"", "GB/s of a core", "min", "max"});
  json document{{"bench", "cutter"},
                {"machine", machine()},
                {"clip_bytes", clip.size()},
                {"segments", segments},
                {"identical", true}};
  const auto add = [&](const char* name, const char* key, const std::vector<double>& values) {
    const Spread spread = spread_of(values);
    table.add({name, fmt::format("{:.2f}", spread.median), fmt::format("{:.2f}", spread.min),
               fmt::format("{:.2f}", spread.max)});
    document[key] = {{"median", spread.median}, {"min", spread.min}, {"max", spread.max}, {"rounds", values}};
  };
  add("cutter", "cutter_gb_per_s", cut);
  add("copy", "copy_gb_per_s", copy);
  TRICKLE_TRY(
      print(fmt::format("{}\n{}{} segments; put together they are the clip, byte for byte, but for "
                        "inserted tables\n",
                        machine_line(), table.to_string(), segments)));
  return write_json(options.json, document);
}

}  // namespace trickle::bench
