extern "C" {
#include <libavutil/channel_layout.h>
}

#include <fmt/format.h>

#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "base/try.h"
#include "codec/convert.h"
#include "codec/filter_graph.h"
#include "codec/media_graph.h"

namespace trickle {
namespace {

struct Shape {
  int sample_rate, channels;
  friend bool operator==(const Shape&, const Shape&) = default;
};

GraphEnds ends_for(const Shape& shape) {
  AVChannelLayout layout{};
  av_channel_layout_default(&layout, shape.channels);
  std::array<char, 64> name{};
  av_channel_layout_describe(&layout, name.data(), name.size());
  const auto options = [&](const char* format_key, const char* rate_key, const char* layout_key) {
    return fmt::format("{}=flt:{}={}:{}={}", format_key, rate_key, shape.sample_rate, layout_key,
                       name.data());
  };
  return {"abuffer",
          fmt::format("time_base=1/{}:{}", shape.sample_rate,
                      options("sample_fmt", "sample_rate", "channel_layout")),
          "abuffersink",
          "aformat",
          options("sample_fmts", "sample_rates", "channel_layouts"),
          false};
}

// One track's graph.
class TrackGraph {
 public:
  Result<void> push(const std::string& text, const std::vector<std::string>& commands,
                    const SoundBlock& block, std::vector<SoundBlock>& out) {
    const Shape shape{block.sample_rate, block.channels};
    if (!graph_ || shape != shape_) {
      TRICKLE_TRY(finish(out));
      TRICKLE_TRY(configure(text, commands, shape));
    }
    like_ = {block.track, block.sample_rate, block.channels, block.timestamp, {}};
    TRICKLE_TRY_ASSIGN(const FramePtr frame, to_frame(block));
    return graph_->push(frame.get(), frame->pts + frame->nb_samples,
                        [&](FramePtr made) { return give(*made, out); });
  }

  Result<void> finish(std::vector<SoundBlock>& out) {
    if (!graph_) return {};
    auto done = graph_->finish([&](FramePtr made) { return give(*made, out); });
    graph_.reset();
    return done;
  }

  Result<void> configure(const std::string& text, const std::vector<std::string>& commands,
                         const Shape& shape) {
    TRICKLE_TRY_ASSIGN(auto graph, FilterGraph::make(text, ends_for(shape)));
    for (const std::string& one : commands) TRICKLE_TRY(graph.command(one));
    graph_ = std::move(graph);
    shape_ = shape;
    return {};
  }

  Result<void> command(const std::string& commands) {
    return graph_ ? graph_->command(commands) : Result<void>{};
  }
  void reset() { graph_.reset(); }

 private:
  static Result<FramePtr> to_frame(const SoundBlock& block) {
    FramePtr frame(av_frame_alloc());
    if (!frame) return unexpected(ErrorKind::kInternal, "out of memory for a frame");
    frame->format = AV_SAMPLE_FMT_FLT;
    frame->sample_rate = block.sample_rate;
    frame->nb_samples = static_cast<int>(block.length());
    av_channel_layout_default(&frame->ch_layout, block.channels);
    if (av_frame_get_buffer(frame.get(), 0) < 0)
      return unexpected(ErrorKind::kInternal, "out of memory for sound");
    std::memcpy(frame->data[0], block.samples.data(), block.samples.size() * sizeof(float));
    frame->pts = rescale(block.timestamp.ticks, block.timestamp.time_base, {1, block.sample_rate});
    return frame;
  }

  Result<void> give(const AVFrame& made, std::vector<SoundBlock>& out) {
    if (made.pts == AV_NOPTS_VALUE || made.nb_samples <= 0) return {};
    SoundBlock block = like_;
    block.timestamp.ticks = rescale(made.pts, graph_->time_base(), like_.timestamp.time_base);
    const auto* samples = reinterpret_cast<const float*>(made.data[0]);
    block.samples.assign(samples, samples + made.nb_samples * block.channels);
    out.push_back(std::move(block));
    return {};
  }

  std::optional<FilterGraph> graph_;
  Shape shape_{};
  SoundBlock like_;
};

class AvSoundGraph final : public SoundGraph {
 public:
  explicit AvSoundGraph(std::string text) : text_(std::move(text)) {}

  Result<void> push(SoundBlock block, std::vector<SoundBlock>& out) override {
    return tracks_[block.track].push(text_, commands_, block, out);
  }
  Result<void> finish(std::vector<SoundBlock>& out) override {
    for (auto& [number, track] : tracks_) TRICKLE_TRY(track.finish(out));
    return {};
  }
  Result<void> command(const std::string& commands) override {
    TrackGraph trial;
    TRICKLE_TRY(trial.configure(text_, commands_, kUsual));
    TRICKLE_TRY(trial.command(commands));
    commands_.push_back(commands);
    for (auto& [number, track] : tracks_) TRICKLE_TRY(track.command(commands));
    return {};
  }
  Result<void> configure_usual() { return TrackGraph().configure(text_, {}, kUsual); }

 private:
  static constexpr Shape kUsual{48000, 2};

  const std::string text_;
  std::map<int, TrackGraph> tracks_;
  std::vector<std::string> commands_;
};

}  // namespace

Result<std::unique_ptr<SoundGraph>> make_sound_graph(const std::string& text) {
  auto graph = std::make_unique<AvSoundGraph>(text);
  TRICKLE_TRY(graph->configure_usual());
  return std::unique_ptr<SoundGraph>(std::move(graph));
}

}  // namespace trickle
