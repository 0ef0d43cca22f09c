#include "bench/fx_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
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

// Beside each effect as it is by default, on the format that most video has: stronger ones, and chains, which
// are one pass as well. Effects are separated by spaces, as on a command line.
constexpr std::array kMore{"contrast:amount=3",  "saturation:amount=3", "gamma:gamma=0.5",
                           "red_tint grayscale", "red_tint contrast",   "red_tint saturation",
                           "sepia gamma:gamma=2"};

// Effects whose defaults change nothing are given something to do.
std::string spelled(const std::string& effect) {
  if (effect == "brightness") return "brightness:intensity=0.7";
  if (effect == "color_shift") return "color_shift:color_shift=[0.1,0,-0.1]";
  return effect;
}

// What is measured: all, or those that `only` names: an effect, or effects with their parameters.
std::vector<std::string> subjects(const std::string& only, PixelFormat format) {
  std::vector<std::string> all;
  for (const fx::EffectInfo& effect : fx::effects()) {
    if (effect.color == nullptr || effect.name == "none") continue;
    if (only.empty() || only == effect.name) all.push_back(spelled(effect.name));
  }
  if (only.empty() && format == PixelFormat::kYuv420p) all.insert(all.end(), kMore.begin(), kMore.end());
  if (all.empty()) all.push_back(only);
  return all;
}

Result<std::vector<fx::ColorStep>> color_steps(const std::string& subject) {
  std::istringstream words(subject);
  const std::vector<std::string> arguments{std::istream_iterator<std::string>(words), {}};
  TRICKLE_TRY_ASSIGN(const fx::ChainSpec chain, fx::parse_chain(arguments));
  std::vector<fx::ColorStep> steps;
  for (const fx::EffectSpec& effect : chain.effects) {
    const fx::EffectInfo* info = fx::find_effect(effect.effect);
    if (info->color == nullptr) {
      return unexpected(ErrorKind::kUsage, fmt::format("{} is no effect on colours", effect.effect));
    }
    steps.push_back(info->color(effect.parameters));
  }
  return steps;
}

// FFmpeg's filter for a channel that no other one goes into.
std::string channel_lut(char channel, double factor, double offset, double exponent) {
  const std::string linear = fmt::format("clip(val*{}+{},0,255)", factor, offset * 255);
  return exponent == 1 ? fmt::format("{}='{}'", channel, linear)
                       : fmt::format("{}='pow({}/255,{})*255'", channel, linear, exponent);
}

// FFmpeg's filter for what a step does; empty where there is none (colorchannelmixer has factors up to 2, and
// no constants).
std::string filter_for(const fx::ColorStep& step) {
  constexpr std::array kNames{'r', 'g', 'b'};
  bool mixes = false, fits = step.exponent == 1;
  std::string mixer, luts;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      const double factor = step.matrix[i][j];
      mixes = mixes || (i != j && factor != 0);
      fits = fits && std::abs(factor) <= 2;
      mixer += fmt::format(":{}{}={}", kNames[i], kNames[j], factor);
    }
    fits = fits && step.offset[i] == 0;
    luts += ":" + channel_lut(kNames[i], step.matrix[i][i], step.offset[i], step.exponent);
  }
  if (!mixes) return "lutrgb=" + luts.substr(1);
  return fits ? "colorchannelmixer=" + mixer.substr(1) : "";
}

// FFmpeg's filters for what effects are documented to do; empty where there are none.
std::string graph_for(const std::vector<fx::ColorStep>& steps) {
  std::string graph = "format=gbrp";
  for (const fx::ColorStep& step : steps) {
    const std::string filter = filter_for(step);
    if (filter.empty()) return "";
    graph += "," + filter;
  }
  return graph;
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

  Result<Measured> measure(const std::string& subject, const Frames& frames) const {
    TRICKLE_TRY_ASSIGN(const std::vector<fx::ColorStep> steps, color_steps(subject));
    const VideoFrame& first = frames.sources.front();
    TRICKLE_TRY_ASSIGN(const fx::ColorPass pass, fx::ColorPass::make(steps, first.format, first.color));
    std::unique_ptr<VideoGraph> graph;
    if (const std::string text = graph_for(steps); !text.empty()) {
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
    for (const std::string& subject : subjects(options.effect, format)) {
      if (stop.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped");
      TRICKLE_TRY_ASSIGN(const Measured m, bench.measure(subject, frames));
      const bool compared = m.graph_ns > 0;
      table.add({subject, name, fmt::format("{:.3f}", m.fx_ns), fmt::format("{:.3f}", m.copy_ns),
                 fmt::format("{:.2f}", m.copy_ratio), compared ? fmt::format("{:.2f}", m.graph_ns) : "",
                 compared ? fmt::format("{:.1f}", m.graph_ratio) : ""});
      document["results"].push_back({{"effect", subject},
                                     {"format", name},
                                     {"ns_per_pixel", m.fx_ns},
                                     {"copy_ns_per_pixel", m.copy_ns},
                                     {"copy_ratio", m.copy_ratio},
                                     {"ffmpeg_ns_per_pixel", compared ? json(m.graph_ns) : json()},
                                     {"ffmpeg_ratio", compared ? json(m.graph_ratio) : json()}});
    }
  }
  TRICKLE_TRY(print(machine_line() + "\n" + table.to_string()));
  return write_json(options.json, document);
}

}  // namespace trickle::bench
