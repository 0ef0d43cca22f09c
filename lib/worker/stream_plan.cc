#include "worker/stream_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fx/registry.h"

namespace trickle::worker {
namespace {

using pipeline::StagePlan;
using pipeline::StageRole;

// About as long as a publisher waits for a server that is gone: 0.5 s, doubling to 2 s.
constexpr const char* kSubscribeRetries = "10";

void add_connection(StagePlan& stage, const PlanOptions& options) {
  if (!options.token.empty()) stage.environment.emplace_back("TRICKLE_TOKEN", options.token);
  if (options.insecure) stage.arguments.emplace_back("--insecure");
  if (options.public_only) stage.arguments.emplace_back("--public-only");
}

StagePlan plan_sub(const StartRequest& request, const PlanOptions& options, bool restarted) {
  StagePlan stage;
  stage.program = kSubProgram;
  stage.role = StageRole::kSource;
  // After a restart the segment in hand has partly been published already, so the next one is waited for.
  stage.arguments = {
      "--start", restarted ? "next" : "current", "--retry", kSubscribeRetries,
      fmt::format("--wait={:.3f}", std::chrono::duration<double>(options.start_timeout).count())};
  stage.environment.emplace_back("TRICKLE_SUBSCRIBE_URL", request.subscribe_url);
  add_connection(stage, options);
  return stage;
}

StagePlan plan_decode(const StreamParams& params) {
  StagePlan stage;
  stage.program = kDecodeProgram;
  stage.has_control = true;
  // The one format that every player of the encoded result understands.
  stage.arguments = {"--pix-fmt", "yuv420p", "--audio", params.audio == "none" ? "none" : "copy"};
  stage.spare_arguments = stage.arguments;
  if (params.size || params.max_framerate) stage.spare_settings = decode_control_line(params);
  if (params.size) {
    stage.arguments.insert(stage.arguments.end(),
                           {"--size", fmt::format("{}x{}", params.size->width, params.size->height)});
  }
  if (params.max_framerate) {
    stage.arguments.insert(stage.arguments.end(), {"--max-fps", std::to_string(*params.max_framerate)});
  }
  stage.environment.emplace_back("TRICKLE_TRANSPORT", "shm");
  return stage;
}

// Models, plugins and programs take their time, which other effects don't.
bool is_there_at_once(const fx::ChainSpec& chain) {
  return std::all_of(chain.effects.begin(), chain.effects.end(), [](const fx::EffectSpec& spec) {
    const auto& all = fx::effects();
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const auto& info) { return info.name == spec.effect; });
    return found != all.end() && !found->reaches_out && spec.effect != "torchscript";
  });
}

StagePlan plan_fx(const StreamParams& params) {
  StagePlan stage;
  stage.program = kFxProgram;
  stage.tells_events = true;
  stage.has_control = true;
  if (params.on_lag == "drop") stage.arguments = {"--on-lag", "drop", "--overlay", params.overlay};
  const size_t options = stage.arguments.size();
  if (is_there_at_once(params.effects)) {
    stage.spare_arguments = stage.arguments;
    stage.spare_arguments.emplace_back("none");
    stage.spare_settings = fx_control_line(params, false);
  }
  for (const auto& spec : params.effects.effects) {
    stage.arguments.push_back(spec.effect);
    for (const auto& [name, value] : spec.parameters) {
      stage.arguments.push_back(name + "=" + fx::to_string(value));
    }
  }
  if (stage.arguments.size() == options) stage.arguments.emplace_back("none");
  stage.environment.emplace_back("TRICKLE_TRANSPORT", "shm");
  return stage;
}

}  // namespace

namespace {

StagePlan plan_encode(const StreamParams& params) {
  StagePlan stage;
  stage.program = kEncodeProgram;
  stage.has_timeline = true;  // Also where the source jumped back while the chain was being restarted.
  stage.arguments = {"--codec", params.video_codec, "--gop", fmt::format("{}s", params.gop_seconds),
                     "--audio", params.audio};
  if (!params.detect_out_resolution) stage.arguments.emplace_back("--keep-size");
  if (params.video_bitrate) {
    stage.arguments.insert(stage.arguments.end(), {"--bitrate", std::to_string(*params.video_bitrate)});
  }
  return stage;
}

StagePlan plan_pub(const StartRequest& request, const StreamParams& params, const PlanOptions& options,
                   bool restarted) {
  StagePlan stage;
  stage.program = kPubProgram;
  stage.role = StageRole::kSink;
  // The channel outlives the process: its stream closes it when the whole stream ends.
  stage.arguments = {"--keep-channel", "--split",  "keyframe",   "--content-type",
                     "video/mp2t",     "--on-lag", params.on_lag};
  if (restarted) stage.arguments.insert(stage.arguments.end(), {"--start", "next"});
  stage.environment.emplace_back("TRICKLE_PUBLISH_URL", request.publish_url);
  add_connection(stage, options);
  return stage;
}

}  // namespace

std::vector<StagePlan> plan_stream(const StartRequest& request, const StreamParams& params,
                                   const PlanOptions& options, bool restarted) {
  std::vector<StagePlan> stages;
  if (!request.subscribe_url.empty()) {
    stages.push_back(plan_sub(request, options, restarted));
    stages.push_back(plan_decode(params));
    stages.push_back(plan_fx(params));
    if (!request.publish_url.empty()) stages.push_back(plan_encode(params));
  }
  if (!request.publish_url.empty()) stages.push_back(plan_pub(request, params, options, restarted));
  return stages;
}

std::vector<StagePlan> plan_spare(const fx::ChainSpec& effects) {
  StreamParams params;
  params.effects = effects;
  std::vector<StagePlan> stages{plan_decode(params), plan_fx(params), plan_encode(params)};
  stages[1].tells_ready = true;
  return stages;
}

std::string fx_control_line(const StreamParams& params, bool panel_matters) {
  nlohmann::json line = fx::to_json(params.effects);
  if (!panel_matters) return line.dump();
  if (line.is_array()) line = {{"effects", line}};
  line["show_loading"] = params.show_loading;
  return line.dump();
}

std::string decode_control_line(const StreamParams& params) {
  nlohmann::ordered_json line = nlohmann::ordered_json::object();
  if (params.size) {
    line["width"] = params.size->width;
    line["height"] = params.size->height;
  }
  if (params.max_framerate) line["max_framerate"] = *params.max_framerate;
  return line.dump();
}

}  // namespace trickle::worker
