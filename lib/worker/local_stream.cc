#include "worker/local_stream.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "io/clock.h"
#include "pipeline/local_chain.h"
#include "pipeline/restart_budget.h"
#include "trickle/publisher.h"
#include "worker/local_channels.h"

namespace trickle::worker {
namespace {

using boost::asio::io_context;
using pipeline::ChainCallbacks;
using pipeline::ChainEnd;
using pipeline::StageStatus;

constexpr std::chrono::milliseconds kNumbersInterval{500};
constexpr std::chrono::seconds kRestartWindow{120};
// From a stop on the chain gets so long for what it holds, as the programs of a chain do.
constexpr std::chrono::milliseconds kDrainTime{1400};

AudioMode audio_mode(const std::string& name) {
  if (name == "copy") return AudioMode::kCopy;
  if (name == "aac") return AudioMode::kAac;
  return name == "none" ? AudioMode::kNone : AudioMode::kOpus;
}

OnLag on_lag(const std::string& name) {
  if (name == "block") return OnLag::kBlock;
  return name == "fail" ? OnLag::kFail : OnLag::kDrop;
}

Overlay overlay(const std::string& name) {
  if (name == "none") return Overlay::kNone;
  return name == "passthrough" ? Overlay::kPassthrough : Overlay::kPanel;
}

ConnectionOptions connection_options(const AppOptions& app) {
  ConnectionOptions connection;
  connection.token = app.server_token;
  connection.insecure = app.insecure;
  connection.retries = 10;  // About as long as a publisher waits for a server that is gone.
  return connection;
}

ClientOptions client_options(const StartRequest& request, const AppOptions& app) {
  const StreamParams& params = request.params;
  ClientOptions options;
  options.subscribe_url = request.subscribe_url;
  options.publish_url = request.publish_url;
  options.stream_id = request.id;
  options.connection = connection_options(app);
  options.decode.size = params.size;
  if (params.max_framerate) options.decode.max_fps = *params.max_framerate;
  options.decode.format = app.format;
  options.encode.codec = params.video_codec;
  options.encode.bitrate = params.video_bitrate;
  options.encode.gop = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::duration<double>(params.gop_seconds));
  options.encode.audio = audio_mode(params.audio);
  options.keep_size = !params.detect_out_resolution;
  options.on_lag = on_lag(params.on_lag);
  options.overlay = overlay(params.overlay);
  options.wait_for_channel = app.start_timeout;
  options.keep_channel = true;  // Its stream closes it.
  return options;
}

// These, with what a chain did before it.
ClientNumbers sum(const ClientNumbers& before, ClientNumbers now) {
  for (auto counter :
       {&ClientNumbers::frames_in, &ClientNumbers::frames_out, &ClientNumbers::audio_in,
        &ClientNumbers::audio_out, &ClientNumbers::frames_failed, &ClientNumbers::frames_withheld,
        &ClientNumbers::frames_left_out, &ClientNumbers::dropped_lag, &ClientNumbers::dropped_rate,
        &ClientNumbers::dropped_damaged, &ClientNumbers::dropped_other, &ClientNumbers::gaps,
        &ClientNumbers::bytes_in, &ClientNumbers::bytes_out, &ClientNumbers::segments_in,
        &ClientNumbers::segments_out}) {
    now.*counter += before.*counter;
  }
  return now;
}

// Everything here happens on the thread of the io_context but for run() and what it calls, and the outlet.
class LocalStream final : public pipeline::StreamChain, private ProcessorOutlet {
 public:
  LocalStream(io_context& io, FrameProcessor& processor, const StartRequest& request, const AppOptions& app,
              ChainCallbacks callbacks)
      : io_(io),
        publish_only_(request.subscribe_url.empty() ? request.publish_url : ""),
        connection_(connection_options(app)),
        params_json_(request.params_json),
        callbacks_(std::move(callbacks)),
        timer_(io),
        give_up_timer_(io),
        host_(processor, *this, overlay(request.params.overlay),
              [this](const std::string& sentence) { tell_failure(sentence); }),
        options_(client_options(request, app)),
        budget_(static_cast<size_t>(std::max(app.restart_limit, 0)), kRestartWindow),
        timeline_(::memfd_create("timeline", MFD_CLOEXEC)),
        chain_(make_chain()) {}

  ~LocalStream() override {
    *alive_ = false;
    stop();
    chain_->give_up();
    if (thread_.joinable()) thread_.join();
  }

  void start() override {
    thread_ = std::thread([this] { finish(run()); });
    tick();
  }
  void stop() override {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    stopped_.notify_all();
    chain_->stop();
    give_up_timer_.expires_after(kDrainTime);
    give_up_timer_.async_wait([this, alive = alive_](const boost::system::error_code& failure) {
      if (!failure && *alive) chain_->give_up();
    });
  }
  void control(const std::string& program, const std::string& line) override {
    const auto shape = Params::parse(line);
    if (program != kDecodeProgram || !shape) return;
    std::optional<PictureSize> size;
    if (shape->has("width")) {
      size = PictureSize{static_cast<int>(shape->integer("width", 0)),
                         static_cast<int>(shape->integer("height", 0))};
    }
    std::optional<double> rate;
    if (shape->has("max_framerate")) rate = shape->number("max_framerate", 0);
    const std::lock_guard lock(mutex_);
    if (size) options_.decode.size = size;
    if (rate) options_.decode.max_fps = rate;
    chain_->set_shape(size, rate);
  }
  void update(const std::string& json) override {
    const auto params = Params::parse(json);
    if (!params) return;
    const std::lock_guard lock(mutex_);
    updates_ = updates_.merged_with(*params);
    chain_->update(*params);
  }
  void send_signal(int) override {}
  void restart(const std::string&) override {}
  [[nodiscard]] uint64_t restarts() const override { return restarts_; }
  [[nodiscard]] std::vector<StageStatus> status() const override;

 private:
  Result<void> run();
  std::shared_ptr<pipeline::LocalChain> make_chain();
  std::shared_ptr<pipeline::LocalChain> restarted(const Error& error);
  [[nodiscard]] ClientNumbers numbers() const;
  void finish(const Result<void>& result);
  void tick();
  void tell_failure(const std::string& sentence) {
    post([this, sentence] {
      if (callbacks_.on_event)
        callbacks_.on_event(nlohmann::json{{"type", "error"}, {"message", sentence}}.dump());
    });
  }
  void emit_data(std::string json) override {
    post([this, json = std::move(json)] {
      if (callbacks_.on_data) callbacks_.on_data(json);
    });
  }
  void emit_event(std::string json) override {
    post([this, json = std::move(json)] {
      if (callbacks_.on_event) callbacks_.on_event(json);
    });
  }
  // What is posted may run after this object has gone; both happen on the thread of the io_context.
  template <typename F>
  void post(F f) {
    boost::asio::post(io_, [alive = alive_, f = std::move(f)] {
      if (*alive) f();
    });
  }

  io_context& io_;
  const std::string publish_only_;
  const ConnectionOptions connection_;
  const std::string params_json_;
  ChainCallbacks callbacks_;
  boost::asio::steady_timer timer_, give_up_timer_;
  ProcessorHost host_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  mutable std::mutex mutex_;  // Guards what follows, up to stopping_.
  std::condition_variable stopped_;
  ClientOptions options_;
  pipeline::RestartBudget budget_;
  const UniqueFd timeline_;
  std::shared_ptr<pipeline::LocalChain> chain_;
  Params updates_;         // All since the start, for the next chain.
  ClientNumbers earlier_;  // Of the chains before this one.
  bool stopping_ = false;
  std::atomic<uint64_t> restarts_{0};
  bool ended_ = false;
  ClientNumbers before_, now_;  // Of the last two ticks.
  std::thread thread_;
};

Result<void> LocalStream::run() {
  if (!publish_only_.empty()) {
    // A channel that nothing is put into is kept open until the stop.
    auto publisher = Publisher::open({.url = publish_only_, .connection = connection_, .keep_channel = true});
    if (!publisher) return unexpected(publisher.error());
    std::unique_lock lock(mutex_);
    stopped_.wait(lock, [this] { return stopping_; });
    return {};
  }
  auto params = Params::parse(params_json_.empty() ? "{}" : params_json_);
  if (!params) return unexpected(params.error());
  if (auto started = host_.start(*params); !started) return started;
  std::shared_ptr<pipeline::LocalChain> chain;
  {
    const std::lock_guard lock(mutex_);
    chain = chain_;
  }
  Result<void> result;
  while (chain) {
    result = chain->run();
    if (result) break;
    const auto verdict = judge_failure(chain->failed_stage(), result.error().kind(), restarts_ > 0);
    if (verdict == pipeline::ExitVerdict::kEnd) result = {};
    chain = verdict == pipeline::ExitVerdict::kRestart ? restarted(result.error()) : nullptr;
  }
  host_.stop();
  return result;
}

// With the lock held, or before anybody else knows of this object.
std::shared_ptr<pipeline::LocalChain> LocalStream::make_chain() {
  UniqueFd timeline(timeline_ ? ::fcntl(timeline_.get(), F_DUPFD_CLOEXEC, 3) : -1);
  return std::make_shared<pipeline::LocalChain>(host_, options_, pipeline::LocalChainCallbacks{},
                                                std::move(timeline));
}

// The chain that takes over, or null: there was a stop, or there were too many restarts already.
std::shared_ptr<pipeline::LocalChain> LocalStream::restarted(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || !budget_.take(system_clock().now())) return nullptr;
  earlier_ = sum(earlier_, chain_->numbers());
  // A channel that is not there any more has ended.
  options_.wait_for_channel = std::chrono::milliseconds(0);
  chain_ = make_chain();
  if (!updates_.names().empty()) chain_->update(updates_);
  ++restarts_;
  post([this, reason = error.to_string()] {
    if (callbacks_.on_restart) callbacks_.on_restart(reason);
  });
  return chain_;
}

ClientNumbers LocalStream::numbers() const {
  const std::lock_guard lock(mutex_);
  return sum(earlier_, chain_->numbers());
}

void LocalStream::finish(const Result<void>& result) {
  post([this, result] {
    timer_.cancel();
    give_up_timer_.cancel();
    now_ = numbers();
    ended_ = true;
    callbacks_.on_numbers();
    const std::lock_guard lock(mutex_);
    ChainEnd end{stopping_ ? ChainEnd::Kind::kStopped : ChainEnd::Kind::kEndOfInput, {}};
    if (!result) end = {ChainEnd::Kind::kFailed, result.error().to_string()};
    boost::asio::post(io_, [on_end = callbacks_.on_end, end] { on_end(end); });
  });
}

void LocalStream::tick() {
  timer_.expires_after(kNumbersInterval);
  timer_.async_wait([this, alive = alive_](const boost::system::error_code& failure) {
    if (failure || !*alive || ended_) return;
    before_ = std::exchange(now_, numbers());
    callbacks_.on_numbers();
    tick();
  });
}

// The stages by the names of the programs that they would be.
std::vector<StageStatus> LocalStream::status() const {
  const auto rate = [](uint64_t now, uint64_t before) {
    return static_cast<double>(now - before) / std::chrono::duration<double>(kNumbersInterval).count();
  };
  const auto stage = [&](const char* name) {
    StageStatus status{};
    status.name = name;
    status.pid = ::getpid();
    status.running = !ended_;
    return status;
  };
  StageStatus sub = stage(kSubProgram), decode = stage(kDecodeProgram), fx = stage(kFxProgram),
              encode = stage(kEncodeProgram), pub = stage(kPubProgram);
  sub.now.bytes_in = sub.totals.bytes_in = now_.bytes_in;
  sub.totals.segments_in = now_.segments_in;
  decode.totals.frames_in = decode.totals.frames_out = now_.frames_in;
  decode.totals.audio_in = now_.audio_in;
  decode.now.fps_in = rate(now_.frames_in, before_.frames_in);
  decode.now.audio_fps_in = rate(now_.audio_in, before_.audio_in);
  decode.totals.drops = {{"rate", now_.dropped_rate}, {"damaged", now_.dropped_damaged}};
  fx.totals.frames_in = now_.frames_in;
  fx.totals.frames_out = now_.frames_out;
  fx.totals.drops = {{"lag", now_.dropped_lag}};
  for (StageStatus* last : {&fx, &encode}) {
    last->totals.frames_out = now_.frames_out;
    last->now.width = static_cast<uint64_t>(now_.width);
    last->now.height = static_cast<uint64_t>(now_.height);
    last->now.fps_out = rate(now_.frames_out, before_.frames_out);
    last->now.audio_fps_out = rate(now_.audio_out, before_.audio_out);
  }
  const auto ms = [](std::chrono::microseconds time) {
    return std::chrono::duration<double, std::milli>(time).count();
  };
  encode.now.latency_p50_ms = ms(now_.latency_p50);
  encode.now.latency_p99_ms = ms(now_.latency_p99);
  pub.now.bytes_out = pub.totals.bytes_out = now_.bytes_out;
  pub.totals.segments_out = now_.segments_out;
  return {sub, decode, fx, encode, pub};
}

}  // namespace

StreamOptions local_stream_options(FrameProcessor& processor, const AppOptions& options) {
  StreamOptions result;
  result.plan.start_timeout = options.start_timeout;
  result.plan.token = options.server_token;
  result.plan.insecure = options.insecure;
  result.pipeline = options.pipeline;
  result.local.make_chain = [&processor, options](
                                io_context& io, const StartRequest& request,
                                ChainCallbacks callbacks) -> std::unique_ptr<pipeline::StreamChain> {
    return std::make_unique<LocalStream>(io, processor, request, options, std::move(callbacks));
  };
  const ConnectionOptions connection = connection_options(options);
  result.local.make_publisher = [connection](io_context& io, const std::string& url,
                                             pipeline::MessageKind kind) {
    return make_local_publisher(io, url, connection, kind);
  };
  result.local.make_subscriber = [connection](io_context& io, const std::string& url, auto on_document,
                                              auto on_junk) {
    return make_local_subscriber(io, url, connection, std::move(on_document), std::move(on_junk));
  };
  return result;
}

}  // namespace trickle::worker
