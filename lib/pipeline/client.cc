// The public Client: a LocalChain with the channels beside it; and SimpleClient, a Client around a function.
#include "trickle/client.h"

#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "io/fd_io.h"
#include "io/stop.h"
#include "pipeline/client_channels.h"
#include "pipeline/control_reader.h"
#include "pipeline/local_chain.h"

namespace trickle {
namespace {

using nlohmann::ordered_json;
using pipeline::ClientChannels;
using pipeline::ControlReader;
using pipeline::LocalChain;

bool is_keep_alive(const Params& document) {
  return document.names().size() == 1 && document.text("keep", "") == "alive";
}

}  // namespace

class Client::Impl {
 public:
  Impl(FrameProcessor& processor, ClientOptions options)
      : processor_(processor),
        options_(std::move(options)),
        channels_(options_, [this] { return numbers(); }),
        host_(processor_, channels_, options_.overlay,
              [this](const std::string& sentence) {
                channels_.event("error", {{"message", sentence}});
              }),
        chain_(host_, options_,
               {[this] { channels_.event("receive_first_ingest_segment"); },
                [this] { channels_.event("send_first_processed_segment"); }}) {}

  Result<void> run() {
    if (options_.subscribe_url.empty()) return unexpected(ErrorKind::kUsage, "subscribe_url is missing");
    TRICKLE_TRY(ProcessorHost::load(processor_));
    channels_.start();
    const Result<void> result = run_stream();
    if (!result) channels_.event("error", {{"message", result.error().to_string()}});
    channels_.event("stream_stopped");
    channels_.finish();
    return result;
  }
  void stop() { chain_.stop(); }
  [[nodiscard]] ClientNumbers numbers() const { return chain_.numbers(); }

  Result<void> update_params(std::string_view json) {
    TRICKLE_TRY_ASSIGN(const Params params, Params::parse(json));
    chain_.update(params);
    channels_.event("params_updated", {{"params", ordered_json::parse(params.json())}});
    return {};
  }

 private:
  Result<void> run_stream();
  void on_control(const std::string& document);

  FrameProcessor& processor_;
  const ClientOptions options_;
  ClientChannels channels_;
  ProcessorHost host_;
  LocalChain chain_;
};

Result<void> Client::Impl::run_stream() {
  TRICKLE_TRY(host_.start(options_.params));
  channels_.event("stream_started");
  Result<void> result;
  {
    std::unique_ptr<ControlReader> control;
    if (!options_.control_url.empty()) {
      control = ControlReader::start({options_.control_url, "control: ", options_.connection},
                                     [this](const std::string& document) { on_control(document); });
    }
    result = chain_.run();
  }
  host_.stop();
  return result;
}

void Client::Impl::on_control(const std::string& document) {
  const auto parsed = Params::parse(document);
  if (parsed && is_keep_alive(*parsed)) return;
  if (auto updated = update_params(document); !updated) {
    log::warning("[{}] control: {}", options_.stream_id, updated.error().to_string());
    channels_.event("error", {{"message", "control: " + updated.error().to_string()}});
  }
}

Client::Client(FrameProcessor& processor, ClientOptions options)
    : impl_(std::make_unique<Impl>(processor, std::move(options))) {}
Client::~Client() = default;
Result<void> Client::run() { return impl_->run(); }
void Client::stop() { impl_->stop(); }
Result<void> Client::update_params(std::string_view json) { return impl_->update_params(json); }
ClientNumbers Client::numbers() const { return impl_->numbers(); }

namespace {

// Two functions as a processor.
class FunctionProcessor final : public FrameProcessor {
 public:
  void set(VideoStep video, AudioFunction audio) {
    video_ = std::move(video);
    audio_ = std::move(audio);
  }
  [[nodiscard]] bool edits_in_place() const override { return video_.in_place; }
  [[nodiscard]] bool processes_audio() const override { return static_cast<bool>(audio_); }
  Result<VideoOutput> process_video(VideoFrame frame) override {
    return video_.function ? video_.function(std::move(frame)) : VideoOutput(std::move(frame));
  }
  Result<AudioOutput> process_audio(AudioFrame frame) override { return audio_(std::move(frame)); }

 private:
  VideoStep video_;
  AudioFunction audio_;
};

ClientOptions client_options(std::string subscribe_url, std::string publish_url,
                             SimpleClientOptions options) {
  ClientOptions result;
  result.subscribe_url = std::move(subscribe_url);
  result.publish_url = std::move(publish_url);
  result.connection = std::move(options.connection);
  result.decode = std::move(options.decode);
  if (options.format != PixelFormat::kNone) result.decode.format = options.format;
  result.encode = std::move(options.encode);
  result.on_lag = options.on_lag;
  result.start = std::move(options.start);
  result.wait_for_channel = options.wait_for_channel;
  return result;
}

// Stops a client when a signal comes, until it is told that nothing is left to stop.
class SignalWatch {
 public:
  explicit SignalWatch(Client& client)
      : thread_([&client, signal = stop_on_signals(), done = done_.token()] {
          const std::array<int, 1> wakers{done.fd()};
          if (wait_readable(signal.fd(), wakers, std::nullopt) == WaitOutcome::kReadable) client.stop();
        }) {}
  ~SignalWatch() {
    done_.request_stop();
    thread_.join();
  }
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  StopSource done_;
  std::thread thread_;
};

}  // namespace

class SimpleClient::Impl {
 public:
  Impl(std::string subscribe_url, std::string publish_url, SimpleClientOptions options)
      : handle_signals_(options.handle_signals),
        client_(processor_,
                client_options(std::move(subscribe_url), std::move(publish_url), std::move(options))) {}

  Result<void> run(VideoStep video, AudioFunction audio) {
    processor_.set(std::move(video), std::move(audio));
    std::unique_ptr<SignalWatch> watch;
    if (handle_signals_) watch = std::make_unique<SignalWatch>(client_);
    Result<void> result = client_.run();
    if (!result) log::error("{}", result.error().to_string());
    return result;
  }
  [[nodiscard]] Client& client() { return client_; }

 private:
  const bool handle_signals_;
  FunctionProcessor processor_;
  Client client_;
};

SimpleClient::SimpleClient(std::string subscribe_url, std::string publish_url, SimpleClientOptions options)
    : impl_(std::make_unique<Impl>(std::move(subscribe_url), std::move(publish_url), std::move(options))) {}
SimpleClient::~SimpleClient() = default;
Result<void> SimpleClient::run(VideoStep video, AudioFunction audio) {
  return impl_->run(std::move(video), std::move(audio));
}
void SimpleClient::stop() { impl_->client().stop(); }
ClientNumbers SimpleClient::numbers() const { return impl_->client().numbers(); }

}  // namespace trickle
