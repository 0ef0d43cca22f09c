#include "bench/fx_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "base/try.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/statistics.h"
#include "codec/media_graph.h"
#include "fx/chain_spec.h"
#include "fx/color_pass.h"
#include "fx/registry.h"
#include "trickle/frame.h"

namespace trickle::bench {
namespace {

using nlohmann::json;

// More frames than fit into the caches, as in a stream.
constexpr size_t kFrames = 4;
constexpr size_t kGraphRounds = 5;

constexpr std::array kFormats{PixelFormat::kYuv420p,   PixelFormat::kYuv422p,   PixelFormat::kYuv444p,
                              PixelFormat::kYuv420p10, PixelFormat::kYuv422p10, PixelFormat::kYuv444p10,
                              PixelFormat::kNv12,      PixelFormat::kGray8,     PixelFormat::kRgb24,
                              PixelFormat::kRgba,      PixelFormat::kBgra,      PixelFormat::kGbrp};

// Effects whose defaults change nothing are given something to do.
std::string spelled(const std::string& effect) {
  if (effect == "brightness") return "brightness:intensity=0.7";
  if (effect == "color_shift") return "color_shift:color_shift=[0.1,0,-0.1]";
  return effect;
}

std::string lut(const char* red, const char* green, const char* blue) {
  return fmt::format("format=gbrp,lutrgb=r='clip({},0,255)':g='clip({},0,255)':b='clip({},0,255)'", red,
                     green, blue);
}

// FFmpeg's filters for what the effect is documented to do; empty where there are none.
std::string graph_for(const std::string& effect) {
  if (effect == "red_tint") return lut("val+127.5", "val", "val");
  if (effect == "green_tint") return lut("val", "val+127.5", "val");
  if (effect == "blue_tint") return lut("val", "val", "val+127.5");
  if (effect == "invert") return lut("255-val", "255-val", "255-val");
  if (effect == "brightness") return lut("val+51", "val+51", "val+51");
  if (effect == "color_shift") return lut("val+25.5", "val", "val-25.5");
  if (effect == "grayscale") {
    return "format=gbrp,colorchannelmixer=rr=.299:rg=.587:rb=.114:gr=.299:gg=.587:gb=.114:br=.299:bg=.587:bb="
           ".114";
  }
  return "";
}

void copy_picture(const VideoFrame& from, const VideoFrame& to) {
  for (int plane = 0; plane < pixel_format_info(from.format).planes; ++plane) {
    const size_t row_bytes = plane_row_bytes(from.format, plane, from.width);
    const auto& source = from.planes[static_cast<size_t>(plane)];
    const auto& target = to.planes[static_cast<size_t>(plane)];
    for (int row = 0; row < plane_rows(from.format, plane, from.height); ++row) {
      std::memcpy(target.data + row * target.stride_bytes, source.data + row * source.stride_bytes,
                  row_bytes);
    }
  }
}

struct Frames {
  Frames(PixelFormat format, int width, int height) {
    std::mt19937 random(1);
    const size_t bytes = packed_picture_bytes(format, width, height);
    const bool deep = pixel_format_info(format).bits > 8;
    for (size_t i = 0; i < kFrames; ++i) {
      sources.push_back(make_video_frame(format, width, height));
      targets.push_back(make_video_frame(format, width, height));
      uint8_t* data = sources.back().planes[0].data;
      for (size_t at = 0; at < bytes; ++at)
        data[at] = static_cast<uint8_t>(deep && at % 2 == 1 ? random() & 3 : random());
      std::memset(targets.back().planes[0].data, 1, bytes);
    }
  }
  std::vector<VideoFrame> sources, targets;
};

struct Measured {
  double copy_ns = 0;  ///< For each pixel, of CPU time.
  double fx_ns = 0;
  double graph_ns = 0;  ///< 0: there is none.
  double copy_ratio = 0;
  double graph_ratio = 0;
};

class FxBench {
 public:
  explicit FxBench(const FxBenchOptions& options) : options_(options) {}

  Result<Measured> measure(const fx::EffectInfo& effect, const Frames& frames) const {
    const std::vector<std::string> arguments{spelled(effect.name)};
    TRICKLE_TRY_ASSIGN(const fx::ChainSpec chain, fx::parse_chain(arguments));
    const std::vector<fx::ColorStep> steps{effect.color(chain.effects.front().parameters)};
    const VideoFrame& first = frames.sources.front();
    TRICKLE_TRY_ASSIGN(const fx::ColorPass pass, fx::ColorPass::make(steps, first.format, first.color));
    std::unique_ptr<VideoGraph> graph;
    if (const std::string text = graph_for(effect.name); !text.empty()) {
      TRICKLE_TRY_ASSIGN(
          graph, make_video_graph(fmt::format("{},format={}", text, pixel_format_info(first.format).name)));
    }
    std::vector<double> copy, fx, by_graph, copy_ratio, graph_ratio;
    for (size_t round = 0; round <= options_.rounds; ++round) {
      const VideoFrame& source = frames.sources[round % kFrames];
      const VideoFrame& target = frames.targets[round % kFrames];
      const double copied = time([&] { copy_picture(source, target); });
      const double passed = time([&] { pass.run(source, target); });
      double graphed = 0;
      if (graph && round <= kGraphRounds) {
        TRICKLE_TRY_ASSIGN(graphed, time_graph(*graph, source, static_cast<int64_t>(round)));
      }
      if (round == 0) continue;  // Finds cold code and untouched pages.
      copy.push_back(copied);
      fx.push_back(passed);
      copy_ratio.push_back(passed / copied);
      if (graphed > 0) by_graph.push_back(graphed), graph_ratio.push_back(graphed / passed);
    }
    return Measured{spread_of(copy).median, spread_of(fx).median, spread_of(by_graph).median,
                    spread_of(copy_ratio).median, spread_of(graph_ratio).median};
  }

 private:
  // Nanoseconds of CPU time, of all threads, for each pixel.
  template <typename Work>
  double time(const Work& work) const {
    const auto start = own_cpu_time();
    work();
    return static_cast<double>((own_cpu_time() - start).count()) / options_.width / options_.height;
  }

  Result<double> time_graph(VideoGraph& graph, VideoFrame frame, int64_t number) const {
    frame.timestamp.ticks = number * 3000;
    frame.duration_ticks = 3000;
    std::vector<VideoFrame> out;
    Result<void> pushed;
    const double took = time([&] { pushed = graph.push(std::move(frame), out); });
    TRICKLE_TRY(std::move(pushed));
    return out.empty() ? 0 : took;
  }

  const FxBenchOptions& options_;
};

bool wanted(const std::string& only, const std::string& name) { return only.empty() || only == name; }

}  // namespace

Result<void> run_fx_bench(const FxBenchOptions& options, const StopToken& stop) {
  if (!options.format.empty() && pixel_format_from_name(options.format) == PixelFormat::kNone) {
    return unexpected(ErrorKind::kUsage, "unknown pixel format '" + options.format + "'");
  }
  const FxBench bench(options);
  Table table({"effect", "format", "ns/pixel", "copy", "x copy", "ffmpeg", "x faster"});
  json document{{"bench", "fx"},
                {"machine", machine()},
                {"width", options.width},
                {"height", options.height},
                {"results", json::array()}};
  for (const PixelFormat format : kFormats) {
    const std::string name = pixel_format_info(format).name;
    if (!wanted(options.format, name)) continue;
    const Frames frames(format, options.width, options.height);
    for (const fx::EffectInfo& effect : fx::effects()) {
      if (effect.color == nullptr || effect.name == "none" || !wanted(options.effect, effect.name)) continue;
      if (stop.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped");
      TRICKLE_TRY_ASSIGN(const Measured m, bench.measure(effect, frames));
      const bool compared = m.graph_ns > 0;
      table.add({spelled(effect.name), name, fmt::format("{:.3f}", m.fx_ns), fmt::format("{:.3f}", m.copy_ns),
                 fmt::format("{:.2f}", m.copy_ratio), compared ? fmt::format("{:.2f}", m.graph_ns) : "",
                 compared ? fmt::format("{:.1f}", m.graph_ratio) : ""});
      document["results"].push_back({{"effect", spelled(effect.name)},
                                     {"format", name},
                                     {"ns_per_pixel", m.fx_ns},
                                     {"copy_ns_per_pixel", m.copy_ns},
                                     {"copy_ratio", m.copy_ratio},
                                     {"ffmpeg_ns_per_pixel", compared ? json(m.graph_ns) : json()},
                                     {"ffmpeg_ratio", compared ? json(m.graph_ratio) : json()}});
    }
  }
  if (document["results"].empty())
    return unexpected(ErrorKind::kUsage, "no effect '" + options.effect + "' on colours");
  TRICKLE_TRY(print(machine_line() + "\n" + table.to_string()));
  return write_json(options.json, document);
}

}  // namespace trickle::bench
