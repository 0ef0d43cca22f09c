#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/try.h"
#include "codec/convert.h"
#include "codec/filter_graph.h"
#include "codec/media_graph.h"
#include "codec/video_decoder.h"

namespace trickle {
namespace {

// What a graph is configured for.
struct Shape {
  int width, height;
  PixelFormat format;
  Rational time_base;
  Rational sample_aspect;
  ColorProperties color;
  friend bool operator==(const Shape&, const Shape&) = default;
};

Shape shape_of(const VideoFrame& frame) {
  return {frame.width,         frame.height, frame.format, frame.timestamp.time_base,
          frame.sample_aspect, frame.color};
}

GraphEnds ends_for(const Shape& shape) {
  const char* format = pixel_format_info(shape.format).name;
  std::string options = fmt::format("width={}:height={}:pix_fmt={}:time_base={}/{}:sar={}/{}", shape.width,
                                    shape.height, format, shape.time_base.num, shape.time_base.den,
                                    shape.sample_aspect.num, shape.sample_aspect.den);
#if LIBAVFILTER_VERSION_MAJOR >= 10
  options += fmt::format(":colorspace={}:range={}", static_cast<int>(shape.color.matrix),
                         static_cast<int>(to_av(shape.color.range)));
#endif
  return {"buffer", options, "buffersink", "format", std::string("pix_fmts=") + format, true};
}

class AvVideoGraph final : public VideoGraph {
 public:
  explicit AvVideoGraph(std::string text) : text_(std::move(text)) {}

  Result<void> push(VideoFrame frame, std::vector<VideoFrame>& out) override {
    const Shape shape = shape_of(frame);
    if (!graph_ || *shape_ != shape) {
      TRICKLE_TRY(finish(out));
      TRICKLE_TRY(configure(shape));
    }
    const FramePtr av = to_av(frame);
    if (!av) return unexpected(ErrorKind::kInternal, "out of memory for a frame");
    const int64_t ticks = frame.timestamp.ticks;
    const int64_t since_last = std::max<int64_t>(ticks - std::exchange(last_ticks_, ticks), 0);
    return graph_->push(av.get(), ticks + (frame.duration_ticks > 0 ? frame.duration_ticks : since_last),
                        [&](FramePtr made) { return give(std::move(made), out); });
  }

  Result<void> finish(std::vector<VideoFrame>& out) override {
    if (!graph_) return {};
    auto done = graph_->finish([&](FramePtr made) { return give(std::move(made), out); });
    graph_.reset();
    return done;
  }

  Result<void> command(const std::string& commands) override {
    if (!graph_) TRICKLE_TRY(configure(kUsual));
    if (auto sent = graph_->command(commands); !sent) {
      graph_.reset();  // Some of them may have come through: the next frame finds it as it was.
      return sent;
    }
    commands_.push_back(commands);
    return {};
  }

  // A graph that can't be made for pictures of the usual kind is refused before the first one comes.
  Result<void> configure_usual() {
    TRICKLE_TRY(configure(kUsual));
    return {};
  }

 private:
  static constexpr Shape kUsual{1280, 720, PixelFormat::kYuv420p, {1, 90000}, {1, 1}, {}};

  Result<void> configure(const Shape& shape) {
    graph_.reset();
    TRICKLE_TRY_ASSIGN(auto graph, FilterGraph::make(text_, ends_for(shape)));
    for (const std::string& commands : commands_) TRICKLE_TRY(graph.command(commands));
    graph_ = std::move(graph);
    shape_ = shape;
    return {};
  }

  Result<void> give(FramePtr made, std::vector<VideoFrame>& out) {
    if (from_av(static_cast<AVPixelFormat>(made->format)) == PixelFormat::kNone) {
      return unexpected(ErrorKind::kUsage,
                        fmt::format("the graph's last filter asks for a pixel format that frames "
                                    "can't have: {}",
                                    made->format));
    }
    if (made->pts == AV_NOPTS_VALUE) return {};
    const Rational from = graph_->time_base();
    const int64_t pts = made->pts;
    const int64_t duration = duration_of(*made);
    VideoFrame frame = view_of(std::move(made));
    frame.timestamp = {rescale(pts, from, shape_->time_base), shape_->time_base};
    frame.duration_ticks = duration > 0 ? rescale(duration, from, shape_->time_base) : 0;
    out.push_back(std::move(frame));
    return {};
  }

  const std::string text_;
  std::optional<FilterGraph> graph_;
  std::optional<Shape> shape_;
  int64_t last_ticks_ = INT64_MAX;
  std::vector<std::string> commands_;
};

}  // namespace

Result<std::unique_ptr<VideoGraph>> make_video_graph(const std::string& text) {
  auto graph = std::make_unique<AvVideoGraph>(text);
  TRICKLE_TRY(graph->configure_usual());
  return std::unique_ptr<VideoGraph>(std::move(graph));
}

}  // namespace trickle
