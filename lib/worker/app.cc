#include "trickle/app.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.h"
#include "io/fd_io.h"
#include "io/stop.h"
#include "pipeline/processor_host.h"
#include "worker/local_stream.h"
#include "worker/serve.h"

namespace trickle {

class App::Impl {
 public:
  Impl(FrameProcessor& processor, AppOptions options) : processor_(processor), options_(std::move(options)) {}

  void stop() { stop_.request_stop(); }

  Result<void> run() {
    StopSource done;
    std::jthread signals;
    if (options_.handle_signals) {
      signals = std::jthread([this, signal = stop_on_signals(), over = done.token()] {
        const std::array<int, 1> wakers{over.fd()};
        if (wait_readable(signal.fd(), wakers, std::nullopt) == WaitOutcome::kReadable) stop();
      });
    }
    const Result<void> served = serve();
    done.request_stop();
    if (load_failure_) return unexpected(*load_failure_);
    return served;
  }

 private:
  Result<void> serve() {
    worker::ServeOptions wanted;
    wanted.listen = {options_.host, options_.port};
    wanted.worker.capacity = 1;
    wanted.worker.stream = worker::local_stream_options(processor_, options_);
    wanted.api.pipeline = options_.pipeline;
    wanted.api.model_id = options_.model_id;
    wanted.api.app_version = options_.app_version;
    wanted.api.tokens = options_.tokens;
    wanted.load = [this] { load(); };
    return worker::serve(std::move(wanted), stop_.token(), [this](const Endpoint& bound) -> Result<void> {
      if (options_.on_listening) options_.on_listening(fmt::format("http://{}:{}/", bound.host, bound.port));
      return {};
    });
  }

  void load() {
    auto result = ProcessorHost::load(processor_);
    if (result) return;
    log::error("{}", result.error().to_string());
    load_failure_ = result.error();
    stop();
  }

  FrameProcessor& processor_;
  const AppOptions options_;
  StopSource stop_;
  std::optional<Error> load_failure_;  // Read when the thread that loads has ended: serve() waits for it.
};

App::App(FrameProcessor& processor, AppOptions options)
    : impl_(std::make_unique<Impl>(processor, std::move(options))) {}
App::~App() = default;
Result<void> App::run() { return impl_->run(); }
void App::stop() { impl_->stop(); }

}  // namespace trickle
