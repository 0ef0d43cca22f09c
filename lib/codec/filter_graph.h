// One configured graph of libavfilter: what graphs for pictures and for sound have in common.
#pragma once

#include "codec/av_types.h"
#include "trickle/frame.h"

extern "C" {
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
}

#include <functional>
#include <string>
#include <vector>

namespace trickle {

struct FilterGraphFreer {
  void operator()(AVFilterGraph* graph) const { avfilter_graph_free(&graph); }
};
using FilterGraphPtr = std::unique_ptr<AVFilterGraph, FilterGraphFreer>;

/// How a graph is connected to the outside.
struct GraphEnds {
  const char* source;          ///< "buffer" or "abuffer".
  std::string source_options;  ///< Of the first picture or block.
  const char* sink;            ///< "buffersink" or "abuffersink".
  const char* last;            ///< "format" or "aformat": what fixes what comes out.
  std::string last_options;
  bool last_only_if_missing;  ///< The graph may end in a filter of that kind itself.
};

class FilterGraph {
 public:
  /// \return kUsage with libavfilter's own words, where it has any.
  static Result<FilterGraph> make(const std::string& text, const GraphEnds& ends);

  using Give = std::function<Result<void>(FramePtr)>;

  /// Feeds `frame` (not changed), which lasts until `end_pts`, and calls `give` for each one that comes out.
  Result<void> push(AVFrame* frame, int64_t end_pts, const Give& give);
  /// Tells the filters that nothing more comes, and gives what they still hold.
  Result<void> finish(const Give& give);
  /// See MediaGraph::command(); stops at the first that is refused.
  Result<void> command(const std::string& commands);
  [[nodiscard]] Rational time_base() const;

 private:
  Result<void> drain(const Give& give);

  FilterGraphPtr graph_;
  AVFilterContext* source_ = nullptr;  // Of the graph's.
  AVFilterContext* sink_ = nullptr;
  int64_t end_pts_ = AV_NOPTS_VALUE;  // Where what was fed so far ends.
};

}  // namespace trickle
