// A worker whose model takes its time to load: slow_model PORT SECONDS
// Its "model" inverts the picture, as strongly as the parameter "strength" (0 to 1) says.
#include <trickle/trickle.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

class SlowModel final : public trickle::FrameProcessor {
 public:
  explicit SlowModel(double seconds) : seconds_(seconds) {}

  trickle::Result<void> load() override {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds_));
    return {};
  }
  trickle::Result<void> on_stream_start(const trickle::Params& params) override {
    return update_params(params);
  }
  trickle::Result<void> update_params(const trickle::Params& params) override {
    strength_ = params.number("strength", strength_);
    if (strength_ >= 0 && strength_ <= 1) return {};
    return trickle::unexpected(trickle::ErrorKind::kUsage, "strength must be between 0 and 1");
  }
  bool edits_in_place() const override { return true; }
  trickle::Result<trickle::VideoOutput> process_video(trickle::VideoFrame frame) override {
    for (int y = 0; y < frame.height; ++y) {
      uint8_t* luma = frame.planes[0].data + y * frame.planes[0].stride_bytes;
      for (int x = 0; x < frame.width; ++x) {
        luma[x] = static_cast<uint8_t>(luma[x] +
                                       strength_ * (251 - 2 * luma[x]));  // 16 to 235 stays in that range.
      }
    }
    emit_data("{\"strength\":" + std::to_string(strength_) + "}");
    return trickle::VideoOutput(std::move(frame));
  }

 private:
  const double seconds_;
  double strength_ = 1;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  SlowModel model(std::atof(argv[2]));
  trickle::AppOptions options{.port = static_cast<uint16_t>(std::atoi(argv[1]))};
  options.on_listening = [](const std::string& url) { std::puts(url.c_str()), std::fflush(stdout); };
  return trickle::App{model, options}.run() ? 0 : 1;
}
