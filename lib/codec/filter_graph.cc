#include "codec/filter_graph.h"

#include <fmt/format.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "base/try.h"
#include "codec/av_log.h"
#include "codec/convert.h"

namespace trickle {
namespace {

struct InOutFreer {
  void operator()(AVFilterInOut* list) const { avfilter_inout_free(&list); }
};
using InOutPtr = std::unique_ptr<AVFilterInOut, InOutFreer>;

Error refused(const AvLogCapture& said, int code) {
  return {ErrorKind::kUsage, said.text().empty() ? av_error_text(code) : said.text()};
}

Result<AVFilterContext*> add(AVFilterGraph& graph, const char* filter, const char* name,
                             const std::string& options, const AvLogCapture& said) {
  AVFilterContext* context = nullptr;
  const int code = avfilter_graph_create_filter(&context, avfilter_get_by_name(filter), name, options.c_str(),
                                                nullptr, &graph);
  if (code < 0) return unexpected(refused(said, code));
  return context;
}

InOutPtr open_end(const char* name, AVFilterContext* filter) {
  InOutPtr end(avfilter_inout_alloc());
  if (end) {
    end->name = av_strdup(name);
    end->filter_ctx = filter;
    end->pad_idx = 0;
    end->next = nullptr;
  }
  return end;
}

Error bad_shape() {
  return {ErrorKind::kUsage,
          "a graph must have exactly one input and one output (the labels [in] and [out] may stand there)"};
}

std::string_view next_word(std::string_view& text) {
  const size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(begin);
  const size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

}  // namespace

Result<FilterGraph> FilterGraph::make(const std::string& text, const GraphEnds& ends) {
  route_av_log();
  const AvLogCapture said;
  FilterGraph made;
  made.graph_.reset(avfilter_graph_alloc());
  if (!made.graph_) return unexpected(ErrorKind::kInternal, "out of memory for a graph");
  AVFilterGraph& graph = *made.graph_;
  TRICKLE_TRY_ASSIGN(made.source_, add(graph, ends.source, "in", ends.source_options, said));
  TRICKLE_TRY_ASSIGN(made.sink_, add(graph, ends.sink, "out", "", said));
  // Named from outside: the graph's open input is fed by our source, its open output goes to our sink.
  AVFilterInOut* inputs = open_end("out", made.sink_).release();
  AVFilterInOut* outputs = open_end("in", made.source_).release();
  AVFilterContext* const sink = made.sink_;
  const int parsed = avfilter_graph_parse_ptr(&graph, text.c_str(), &inputs, &outputs, nullptr);
  const InOutPtr left_inputs(inputs), left_outputs(outputs);
  if (parsed < 0) return unexpected(refused(said, parsed));
  if (left_inputs || left_outputs || sink->inputs[0] == nullptr || made.source_->outputs[0] == nullptr) {
    return unexpected(bad_shape());
  }
  const std::string_view last = sink->inputs[0]->src->filter->name;
  if (!ends.last_only_if_missing || last != ends.last) {
    TRICKLE_TRY_ASSIGN(AVFilterContext* const fixed, add(graph, ends.last, "shape", ends.last_options, said));
    if (const int code = avfilter_insert_filter(sink->inputs[0], fixed, 0, 0); code < 0) {
      return unexpected(refused(said, code));
    }
  }
  if (const int code = avfilter_graph_config(&graph, nullptr); code < 0)
    return unexpected(refused(said, code));
  return made;
}

Result<void> FilterGraph::push(AVFrame* frame, int64_t end_pts, const Give& give) {
  const AvLogCapture said;
  const int code =
      av_buffersrc_add_frame_flags(source_, frame, AV_BUFFERSRC_FLAG_KEEP_REF | AV_BUFFERSRC_FLAG_PUSH);
  if (code < 0 && code != AVERROR_EOF) return unexpected(refused(said, code));
  end_pts_ = end_pts;
  return drain(give);
}

Result<void> FilterGraph::finish(const Give& give) {
  const AvLogCapture said;
  if (const int code = av_buffersrc_close(source_, end_pts_, AV_BUFFERSRC_FLAG_PUSH); code < 0) {
    return unexpected(refused(said, code));
  }
  return drain(give);
}

Result<void> FilterGraph::drain(const Give& give) {
  const AvLogCapture said;
  while (true) {
    FramePtr made(av_frame_alloc());
    if (!made) return unexpected(ErrorKind::kInternal, "out of memory for a frame");
    const int code = av_buffersink_get_frame(sink_, made.get());
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return {};
    if (code < 0) return unexpected(refused(said, code));
    TRICKLE_TRY(give(std::move(made)));
  }
}

Result<void> FilterGraph::command(const std::string& commands) {
  std::string_view rest = commands;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(';'), rest.size());
    std::string_view one = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::string target(next_word(one));
    if (target.empty()) continue;
    const std::string name(next_word(one));
    one.remove_prefix(std::min(one.find_first_not_of(" \t"), one.size()));
    const AvLogCapture said;
    std::array<char, 256> answer{};
    const int code =
        avfilter_graph_send_command(graph_.get(), target.c_str(), name.c_str(), std::string(one).c_str(),
                                    answer.data(), static_cast<int>(answer.size()), 0);
    if (code >= 0) continue;
    const std::string why =
        code == AVERROR(ENOSYS) ? "no filter of the graph takes it" : refused(said, code).message();
    return unexpected(ErrorKind::kUsage,
                      fmt::format("the command \"{} {} {}\" is refused: {}", target, name, one, why));
  }
  return {};
}

Rational FilterGraph::time_base() const { return from_av(av_buffersink_get_time_base(sink_)); }

}  // namespace trickle
