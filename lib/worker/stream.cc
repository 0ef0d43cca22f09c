#include "worker/stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/json_depth.h"
#include "base/log.h"
#include "base/redact.h"
#include "base/try.h"
#include "base/units.h"
#include "worker/process_usage.h"
#include "worker/side_channels.h"

namespace trickle::worker {
namespace {

// Segments are a second or two long, and their bytes come as they are made: this is a pause, not a rhythm.
constexpr std::chrono::seconds kSilentInput{5};

constexpr std::chrono::seconds kSilentOutput{5};

// Shares of the time that a stop may take, by which each part of the end is over at the latest.
constexpr double kDrainedBy = 0.7;
constexpr double kKilledBy = 0.8;
constexpr double kToldBy = 0.9;
constexpr double kClosedBy = 1.0;
// What the last events and DELETE get in any case; and what they get where no one waits for a stop.
constexpr std::chrono::milliseconds kLeastTime{100};
constexpr std::chrono::milliseconds kTellTime{2000};
constexpr std::chrono::milliseconds kCloseTime{5000};

const pipeline::StageStatus* find_stage(const std::vector<pipeline::StageStatus>& stages,
                                        std::string_view name) {
  for (const auto& stage : stages) {
    if (stage.name == name) return &stage;
  }
  return nullptr;
}

nlohmann::ordered_json process_status(const pipeline::StageStatus& stage) {
  const ProcessUsage usage = stage.running ? process_usage(stage.pid) : ProcessUsage{};
  return {{"name", stage.name},
          {"pid", stage.running ? stage.pid : 0},
          {"running", stage.running},
          {"rss_bytes", usage.resident_bytes},
          {"cpu_seconds", usage.cpu_seconds},
          {"frames_in", stage.totals.frames_in},
          {"frames_out", stage.totals.frames_out},
          {"bytes_in", stage.totals.bytes_in},
          {"bytes_out", stage.totals.bytes_out},
          {"latency_p50_ms", stage.now.latency_p50_ms},
          {"latency_p99_ms", stage.now.latency_p99_ms},
          {"last_error", redact_secrets(stage.now.last_error)}};
}

}  // namespace

Stream::Stream(boost::asio::io_context& io, StartRequest request, StreamOptions options,
               std::function<void()> on_ended)
    : io_(io),
      request_(std::move(request)),
      log_(request_.id),
      params_(request_.params),
      options_(std::move(options)),
      on_ended_(std::move(on_ended)),
      started_at_(system_clock().now()),
      last_input_at_(started_at_),
      last_output_at_(started_at_),
      noted_state_("OFFLINE") {
  times_.started = times_.state = unix_time();
  options_.chain.log = log_;
  const auto share = [&](double part) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(options_.stop_deadline * part);
  };
  options_.chain.stop_deadline = share(kDrainedBy);
  options_.chain.kill_delay = share(kKilledBy - kDrainedBy);
}

Stream::~Stream() = default;

void Stream::start() {
  pipeline::ChainCallbacks callbacks;
  callbacks.on_numbers = [this] { on_numbers(); };
  callbacks.on_restart = [this](const std::string& reason) { on_restart(reason); };
  callbacks.on_stage_line = [this](std::string_view line) { on_effect_line(line); };
  callbacks.on_end = [this](const pipeline::ChainEnd& end) { on_chain_end(end); };
  const auto plan = [this](bool restarted) {
    return plan_stream(request_, params_, options_.plan, restarted);
  };
  log_.info("stream started with {}", fx::to_string(params_.effects));
  callbacks.on_data = [this](const std::string& json) { side_->add_item(json); };
  callbacks.on_event = [this](const std::string& json) { side_->add_event(json); };
  if (options_.local.make_chain) {
    chain_ = options_.local.make_chain(io_, request_, std::move(callbacks));
  } else {
    chain_ = std::make_unique<pipeline::Chain>(io_, plan, options_.chain, std::move(callbacks));
  }
  side_ = std::make_unique<SideChannels>(io_, *this, options_,
                                         [this](const nlohmann::json& document) { on_control(document); });
  if (options_.on_channel_open) {
    for (const auto* url : {&request_.publish_url, &request_.events_url, &request_.data_url})
      options_.on_channel_open(*url);
  }
  side_->event("stream_started");
  chain_->start();
  show_loading();
}

void Stream::show_loading() {
  if (params_.show_loading) chain_->control(kFxProgram, fx_control_line(params_, true));
}

// {"data":…} or {"event":WORD,"message":TEXT}, see trickle-fx(1).
void Stream::on_effect_line(std::string_view line) {
  if (is_too_deep_json(line)) return log_.warning("an effect said something that is nested too deeply");
  const auto document = nlohmann::json::parse(line, nullptr, false);
  if (!document.is_object()) return;
  if (const auto data = document.find("data"); data != document.end())
    return side_->add_item(data->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  const auto event = document.value("event", nlohmann::json());
  const auto message = document.value("message", nlohmann::json());
  if (!event.is_string() || !message.is_string()) return;
  set_error(message.get<std::string>());
  side_->event("error", {{"cause", event}, {"message", last_error_}});
}

void Stream::stop(std::function<void()> done) {
  if (ended_) {
    boost::asio::post(io_, std::move(done));
    return;
  }
  waiting_for_end_.push_back(std::move(done));
  if (!std::exchange(stopping_, true)) stopped_at_ = system_clock().now();
  chain_->stop();
}

Result<std::vector<std::string>> Stream::update(const nlohmann::json& update) {
  TRICKLE_TRY_ASSIGN(auto applied, apply_params(params_, update, false));
  TRICKLE_TRY_ASSIGN(applied.params.effects, admit_effects(applied.params.effects, options_.effects));
  const StreamParams before = std::exchange(params_, std::move(applied.params));
  const bool panel_changes = before.show_loading != params_.show_loading;
  if (panel_changes || before.effects != params_.effects) {
    chain_->control(kFxProgram, fx_control_line(params_, panel_changes || params_.show_loading));
    log_.info("effect is now {}", fx::to_string(params_.effects));
  }
  const std::string shape = decode_control_line(params_);
  if (shape != decode_control_line(before)) {
    chain_->control(kDecodeProgram, shape);
    log_.info("size and rate are now {}", shape);
  }
  chain_->update(update.dump());
  if (options_.local.make_chain) applied.warnings.clear();  // The processor may know what we don't.
  for (const auto& warning : applied.warnings) log_.warning("{}", warning);
  side_->event("params_updated", {{"params", update}});
  return std::move(applied.warnings);
}

void Stream::on_control(const nlohmann::json& document) {
  if (const auto updated = update(document); !updated) {
    log_.warning("control: {}", updated.error().to_string());
    side_->event("error", {{"message", "control: " + updated.error().to_string()}});
  }
}

void Stream::on_numbers() {
  const auto stages = chain_->status();
  if (const auto* sub = find_stage(stages, kSubProgram); sub && sub->now.bytes_in != input_bytes_) {
    input_bytes_ = sub->now.bytes_in;
    last_input_at_ = system_clock().now();
    times_.input = unix_time();
    if (!std::exchange(had_input_, true)) side_->event("receive_first_ingest_segment");
  }
  if (const auto* pub = find_stage(stages, kPubProgram); pub && pub->now.bytes_out != output_bytes_) {
    output_bytes_ = pub->now.bytes_out;
    last_output_at_ = system_clock().now();
    times_.output = unix_time();
    if (!std::exchange(had_output_, true)) side_->event("send_first_processed_segment");
  }
  if (restarting_ && numbers().frames_out > frames_at_restart_) restarting_ = false;
  note_state();
  watch_memory();
}

void Stream::send_signal(int signal) {
  if (chain_) chain_->send_signal(signal);
}

void Stream::watch_memory() {
  const TimePoint now = system_clock().now();
  if (options_.memory_bytes == 0 || now - memory_checked_at_ < std::chrono::seconds(1)) return;
  memory_checked_at_ = now;
  uint64_t bytes = 0;
  for (const auto& stage : chain_->status()) {
    if (stage.running) bytes += process_usage(stage.pid).private_bytes;
  }
  if (bytes > options_.memory_bytes) {
    chain_->restart(fmt::format("the stream used {}, more than its {}", format_bytes(bytes),
                                format_bytes(options_.memory_bytes)));
  }
}

void Stream::note_state() {
  if (noted_state_ == state()) return;
  noted_state_ = state();
  times_.state = unix_time();
  log_.info("state is now {}", noted_state_);
}

void Stream::set_error(const std::string& error) {
  last_error_ = redact_secrets(error);
  times_.error = unix_time();
}

void Stream::on_restart(const std::string& reason) {
  set_error(reason);
  times_.restart = unix_time();
  restarting_ = true;
  show_loading();
  frames_at_restart_ = numbers().frames_out;
  side_->event("restart", {{"reason", last_error_}, {"restart_count", restarts()}});
  note_state();
}

void Stream::on_chain_end(const pipeline::ChainEnd& end) {
  switch (end.kind) {
    case pipeline::ChainEnd::Kind::kFailed:
      failed_ = true;
      set_error(end.error);
      log_.error("stream failed: {}", end.error);
      side_->event("error", {{"message", last_error_}});
      break;
    case pipeline::ChainEnd::Kind::kEndOfInput:
      log_.info("the input has ended");
      break;
    case pipeline::ChainEnd::Kind::kStopped:
      log_.info("stopped");
      break;
  }
  side_->event("stream_stopped");
  side_->finish(left_of_stop(kToldBy, kTellTime), [this] { close(); });
}

void Stream::close() {
  if (request_.publish_url.empty() || !options_.close_channel) return finish();
  options_.close_channel(request_.publish_url, left_of_stop(kClosedBy, kCloseTime), [this] { finish(); });
}

// How long something may take that is to be over when `share` of the time for a stop has passed.
std::chrono::milliseconds Stream::left_of_stop(double share, std::chrono::milliseconds otherwise) const {
  if (!stopping_) return otherwise;
  const auto left = options_.stop_deadline * share - (system_clock().now() - stopped_at_);
  return std::max(kLeastTime, std::chrono::duration_cast<std::chrono::milliseconds>(left));
}

void Stream::finish() {
  const StreamNumbers n = numbers();
  log_.info("stream ended: {} frames in, {} out, {} restarts", n.frames_in, n.frames_out, restarts());
  ended_ = true;
  if (options_.on_channel_closed) {
    for (const auto* url : {&request_.publish_url, &request_.events_url, &request_.data_url})
      options_.on_channel_closed(*url);
  }
  for (auto& done : std::exchange(waiting_for_end_, {})) boost::asio::post(io_, std::move(done));
  if (on_ended_) boost::asio::post(io_, std::move(on_ended_));
}

const char* Stream::state() const {
  if (failed_) return "ERROR";
  if (ended_ || numbers().frames_in == 0) return "OFFLINE";
  if (restarting_) return "DEGRADED_INFERENCE";
  const TimePoint now = system_clock().now();
  if (now - last_input_at_ > kSilentInput) return "DEGRADED_INPUT";
  if (!request_.publish_url.empty() && now - last_output_at_ > kSilentOutput) return "DEGRADED_INFERENCE";
  return "ONLINE";
}

const std::string& Stream::last_error() const { return last_error_; }

uint64_t Stream::restarts() const { return chain_ ? chain_->restarts() : 0; }

StreamNumbers Stream::numbers() const {
  StreamNumbers n;
  const auto stages = chain_ ? chain_->status() : std::vector<pipeline::StageStatus>{};
  for (const auto& stage : stages) {
    n.latency_p50_ms += stage.now.latency_p50_ms;
    n.latency_p99_ms += stage.now.latency_p99_ms;
    for (const auto& [cause, count] : stage.totals.drops) n.drops[cause] += count;
  }
  if (const auto* decode = find_stage(stages, kDecodeProgram)) {
    n.frames_in = decode->totals.frames_in;
    if (decode->running) {
      n.ingress_video_fps = decode->now.fps_in;
      n.ingress_audio_fps = decode->now.audio_fps_in;
    }
  }
  if (const auto* pub = find_stage(stages, kPubProgram)) n.bytes_published = pub->totals.bytes_out;
  const auto* last = find_stage(stages, kEncodeProgram);
  if (last == nullptr) last = find_stage(stages, kFxProgram);
  if (last != nullptr) {
    n.frames_out = last->totals.frames_out;
    n.width = last->now.width;
    n.height = last->now.height;
    if (last->running) {
      n.egress_video_fps = last->now.fps_out;
      n.egress_audio_fps = last->now.audio_fps_out;
    }
  }
  for (double* fps : {&n.ingress_video_fps, &n.ingress_audio_fps, &n.egress_video_fps, &n.egress_audio_fps})
    *fps = rounded(*fps, 1);
  for (double* ms : {&n.latency_p50_ms, &n.latency_p99_ms}) *ms = rounded(*ms, 3);
  return n;
}

nlohmann::ordered_json Stream::status() const {
  using nlohmann::ordered_json;
  const StreamNumbers n = numbers();
  ordered_json drops = ordered_json::object();
  for (const auto& [cause, count] : n.drops) drops[cause] = count;
  ordered_json processes = ordered_json::array();
  if (chain_) {
    for (const auto& stage : chain_->status()) processes.push_back(process_status(stage));
  }
  const std::chrono::duration<double> uptime = system_clock().now() - started_at_;
  return {{"id", request_.id},
          {"state", state()},
          {"stopping", stopping_ && !ended_},
          {"started_ms", times_.started.count()},
          {"uptime_s", uptime.count()},
          {"effect", nlohmann::json::parse(fx::to_json_text(params_.effects))},
          {"fps",
           {{"ingress_video_fps", n.ingress_video_fps},
            {"ingress_audio_fps", n.ingress_audio_fps},
            {"egress_video_fps", n.egress_video_fps},
            {"egress_audio_fps", n.egress_audio_fps}}},
          {"frames_in", n.frames_in},
          {"frames_out", n.frames_out},
          {"width", n.width},
          {"height", n.height},
          {"bytes_published", n.bytes_published},
          {"drops", std::move(drops)},
          {"restarts", restarts()},
          {"latency_p50_ms", n.latency_p50_ms},
          {"latency_p99_ms", n.latency_p99_ms},
          {"last_error", last_error_},
          {"last_error_ms", times_.error.count()},
          {"processes", std::move(processes)}};
}

}  // namespace trickle::worker
