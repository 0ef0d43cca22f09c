#include "fx/avfilter_effect.h"

#include <fmt/format.h>

#include <mutex>
#include <utility>

#include "base/try.h"

namespace trickle::fx {
namespace {

Error in_effect(const std::string& effect, Error error) {
  return {error.kind(), fmt::format("{}: {}", effect, error.to_string())};
}

template <typename Graph>
Result<std::unique_ptr<Graph>> make(
    const std::string& effect, const std::function<Result<std::unique_ptr<Graph>>(const std::string&)>& maker,
    const std::string& graph) {
  if (graph.empty()) return std::unique_ptr<Graph>();
  if (!maker)
    return unexpected(ErrorKind::kUsage,
                      fmt::format("{} can't run here: this program has no libavfilter", effect));
  auto made = maker(graph);
  if (!made) return unexpected(in_effect(effect, std::move(made).error()));
  return made;
}

class GraphEffect final : public Effect {
 public:
  GraphEffect(std::string name, Parameters parameters, std::unique_ptr<VideoGraph> video,
              std::unique_ptr<SoundGraph> sound)
      : name_(std::move(name)),
        parameters_(std::move(parameters)),
        video_(std::move(video)),
        sound_(std::move(sound)) {}

  Result<void> process(VideoFrame& frame, Frames& out) override { return push(video_.get(), frame, out); }
  Result<void> finish(Frames& out) override { return end(video_.get(), out); }
  Result<void> process_sound(SoundBlock& block, Sounds& out) override {
    return push(sound_.get(), block, out);
  }
  Result<void> finish_sound(Sounds& out) override { return end(sound_.get(), out); }

  // Commands change the graph as it runs; another graph is another effect.
  Result<bool> update(const Parameters& parameters) override {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, value] : parameters) {
      const bool is_command = name == "command" || name == "audio_command";
      const auto old = parameters_.find(name);
      if (!is_command && (old == parameters_.end() || old->second != value)) return false;
    }
    TRICKLE_TRY(command(video_.get(), parameters, "command"));
    TRICKLE_TRY(command(sound_.get(), parameters, "audio_command"));
    parameters_ = parameters;
    return true;
  }

  Result<void> start() {
    TRICKLE_TRY(send(video_.get(), parameters_, "command"));
    return send(sound_.get(), parameters_, "audio_command");
  }

 private:
  template <typename Item>
  Result<void> push(MediaGraph<Item>* graph, Item& item, std::vector<Item>& out) {
    const std::lock_guard lock(mutex_);
    if (graph == nullptr) {
      out.push_back(std::move(item));
      return {};
    }
    return graph->push(item, out);
  }

  template <typename Item>
  Result<void> end(MediaGraph<Item>* graph, std::vector<Item>& out) {
    const std::lock_guard lock(mutex_);
    return graph == nullptr ? Result<void>{} : graph->finish(out);
  }

  template <typename Graph>
  Result<void> command(Graph* graph, const Parameters& parameters, const char* name) {
    const auto given = parameters.find(name);
    if (given == parameters.end() || given->second == parameters_.find(name)->second) return {};
    return send(graph, parameters, name);
  }

  template <typename Graph>
  Result<void> send(Graph* graph, const Parameters& parameters, const char* name) {
    const auto given = parameters.find(name);
    if (given == parameters.end() || std::get<std::string>(given->second).empty()) return {};
    if (graph == nullptr) {
      return unexpected(ErrorKind::kUsage, fmt::format("{}: {} needs a graph to send it to", name_, name));
    }
    auto sent = graph->command(std::get<std::string>(given->second));
    if (!sent) return unexpected(in_effect(name_, std::move(sent).error()));
    return {};
  }

  const std::string name_;
  std::mutex mutex_;  // Guards all that follows: commands come on another thread.
  Parameters parameters_;
  std::unique_ptr<VideoGraph> video_;
  std::unique_ptr<SoundGraph> sound_;
};

Result<std::unique_ptr<Effect>> create(const Parameters& parameters, const EffectHostPtr& host) {
  const std::string& graph = text(parameters, "graph");
  const std::string& audio_graph = text(parameters, "audio_graph");
  if (graph.empty() && audio_graph.empty()) {
    return unexpected(ErrorKind::kUsage, "avfilter: graph is missing: write graph='hflip', or audio_graph");
  }
  TRICKLE_TRY_ASSIGN(auto video, make("avfilter", host->make_video_graph, graph));
  TRICKLE_TRY_ASSIGN(auto sound, make("avfilter", host->make_sound_graph, audio_graph));
  auto effect = std::make_unique<GraphEffect>("avfilter", parameters, std::move(video), std::move(sound));
  TRICKLE_TRY(effect->start());
  return std::unique_ptr<Effect>(std::move(effect));
}

bool takes_sound(const Parameters& parameters) { return !text(parameters, "audio_graph").empty(); }

ParameterInfo string_parameter(std::string name, std::string sentence) {
  return {.name = std::move(name),
          .type = ParameterType::kString,
          .default_value = std::string(),
          .text = std::move(sentence)};
}

}  // namespace

Result<std::unique_ptr<Effect>> make_graph_effect(const std::string& effect, const std::string& graph,
                                                  const EffectHostPtr& host) {
  TRICKLE_TRY_ASSIGN(auto video, make(effect, host->make_video_graph, graph));
  return std::unique_ptr<Effect>(
      std::make_unique<GraphEffect>(effect, Parameters(), std::move(video), nullptr));
}

EffectInfo avfilter_effect() {
  return {.name = "avfilter",
          .text = "Runs any graph of FFmpeg's filters on the pictures, the sound, or both.",
          .parameters = {string_parameter("graph", "Filters for the pictures, as ffmpeg -vf takes them."),
                         string_parameter("audio_graph", "Filters for the sound, as ffmpeg -af takes them."),
                         string_parameter("command",
                                          "Commands to the picture filters, as in eq contrast 1.5; "
                                          "several are separated by semicolons."),
                         string_parameter("audio_command", "The same for the filters of the sound.")},
          .create = create,
          .takes_sound = takes_sound,
          .reaches_out = true};
}

}  // namespace trickle::fx
