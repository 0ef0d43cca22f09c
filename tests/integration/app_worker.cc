// The library's App with the effects of trickle-fx as its processor, so that the acceptance tests of
// trickle-serve can be run on it: TRICKLE_TEST_WORKER=app bats tests/cli/serve_stream.bats. Knows those of
// trickle-serve's options that these tests give.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/try.h"
#include "base/units.h"
#include "fx/live_chain.h"
#include "trickle/app.h"

namespace {

using namespace trickle;

class Effects final : public FrameProcessor {
 public:
  Result<void> on_stream_start(const Params& params) override {
    TRICKLE_TRY_ASSIGN(chain_, fx::LiveChain::make({}));
    return update_params(params);
  }
  Result<void> update_params(const Params& params) override {
    TRICKLE_TRY(chain_->update(params.json()));
    return {};
  }
  Result<VideoOutput> process_video(VideoFrame frame) override {
    fx::Frames out;
    chain_->process(std::move(frame), out);
    return VideoOutput(std::move(out));
  }

 private:
  std::unique_ptr<fx::LiveChain> chain_;
};

Result<AppOptions> read_options(int argc, char** argv) {
  AppOptions options;
  options.port = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i], value = argv[i + 1];
    if (name == "--port-file") {
      options.on_listening = [file = std::string(value)](const std::string& url) {
        std::ofstream(file) << std::atoi(url.c_str() + url.rfind(':') + 1);
      };
    } else if (name == "--start-timeout") {
      TRICKLE_TRY_ASSIGN(const auto timeout, parse_duration(value));
      options.start_timeout = std::chrono::duration_cast<std::chrono::milliseconds>(timeout);
    } else if (name == "--restart-limit") {
      options.restart_limit = std::atoi(argv[i + 1]);
    } else if (name != "--listen") {
      return unexpected(ErrorKind::kUsage, std::string(name) + " is not known here");
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = read_options(argc, argv);
  Effects effects;
  const Result<void> served = options ? App(effects, *options).run() : unexpected(options.error());
  if (!served) std::fprintf(stderr, "%s\n", served.error().to_string().c_str());
  return served ? 0 : 1;
}
