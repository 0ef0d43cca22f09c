// Writes on the picture what the control channel says, e.g. {"text": "HELLO 42"}:
//   text_overlay SUBSCRIBE_URL PUBLISH_URL CONTROL_URL
#include <trickle/trickle.h>

#include <cctype>
#include <cstdio>
#include <string>

namespace {

// Three columns and five rows to a letter, one bit to a dot, the top left one first.
constexpr unsigned kDigits[] = {075557, 026227, 071747, 071717, 055711,
                                074717, 074757, 071111, 075757, 075717};
constexpr unsigned kLetters[] = {025755, 065656, 034443, 065556, 074647, 074644, 034553, 055755, 072227,
                                 011152, 055655, 044447, 057755, 065555, 025552, 065644, 025563, 065655,
                                 034216, 072222, 055557, 055522, 055775, 055255, 055222, 071247};

unsigned dots_of(char c) {
  const auto upper = static_cast<unsigned char>(std::toupper(static_cast<unsigned char>(c)));
  if (upper >= '0' && upper <= '9') return kDigits[upper - '0'];
  return upper >= 'A' && upper <= 'Z' ? kLetters[upper - 'A'] : 0;
}

class TextOverlay final : public trickle::FrameProcessor {
 public:
  bool edits_in_place() const override { return true; }
  trickle::Result<void> update_params(const trickle::Params& params) override {
    text_ = params.text("text", text_);
    return {};
  }
  trickle::Result<trickle::VideoOutput> process_video(trickle::VideoFrame frame) override {
    const int dot = std::max(1, frame.height / 60);
    for (size_t i = 0; i < text_.size(); ++i) {
      for (int bit = 0; bit < 15; ++bit) {
        if ((dots_of(text_[i]) >> (14 - bit) & 1U) == 0) continue;
        fill(frame, (2 + static_cast<int>(i) * 4 + bit % 3) * dot, (2 + bit / 3) * dot, dot);
      }
    }
    return trickle::VideoOutput(std::move(frame));
  }

 private:
  static void fill(trickle::VideoFrame& frame, int left, int top, int size) {
    for (int y = top; y < std::min(top + size, frame.height); ++y) {
      for (int x = left; x < std::min(left + size, frame.width); ++x) {
        frame.planes[0].data[y * frame.planes[0].stride_bytes + x] = 235;  // White, in the luma of 8-bit YUV.
      }
    }
  }
  std::string text_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  trickle::ClientOptions options;
  options.subscribe_url = argv[1];
  options.publish_url = argv[2];
  options.control_url = argv[3];
  options.decode.format = trickle::PixelFormat::kYuv420p;
  TextOverlay overlay;
  const auto result = trickle::Client(overlay, options).run();
  if (!result) std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
  return result ? 0 : 1;
}
