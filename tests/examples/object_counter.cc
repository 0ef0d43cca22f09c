// Counts the bright objects of every picture and tells the data channel: object_counter SUBSCRIBE_URL
// DATA_URL Publishes no video: frames are looked at and let go.
#include <trickle/trickle.h>

#include <cstdio>
#include <string>
#include <vector>

namespace {

// Regions of bright pixels that touch each other by a side.
int count_objects(const trickle::VideoFrame& frame) {
  constexpr uint8_t kBright = 160;
  const auto index = [&](int x, int y) {
    return static_cast<size_t>(y) * static_cast<size_t>(frame.width) + static_cast<size_t>(x);
  };
  std::vector<bool> seen(index(0, frame.height));
  const auto is_new = [&](int x, int y) {
    return x >= 0 && y >= 0 && x < frame.width && y < frame.height && !seen[index(x, y)] &&
           frame.planes[0].data[y * frame.planes[0].stride_bytes + x] >= kBright;
  };
  int objects = 0;
  std::vector<std::pair<int, int>> open;
  for (int y = 0; y < frame.height; ++y) {
    for (int x = 0; x < frame.width; ++x) {
      if (!is_new(x, y)) continue;
      ++objects;
      seen[index(x, y)] = true;
      open.emplace_back(x, y);
      while (!open.empty()) {
        const auto [at_x, at_y] = open.back();
        open.pop_back();
        for (const auto& [dx, dy] : {std::pair{1, 0}, {-1, 0}, {0, 1}, {0, -1}}) {
          if (!is_new(at_x + dx, at_y + dy)) continue;
          seen[index(at_x + dx, at_y + dy)] = true;
          open.emplace_back(at_x + dx, at_y + dy);
        }
      }
    }
  }
  return objects;
}

class ObjectCounter final : public trickle::FrameProcessor {
 public:
  trickle::Result<trickle::VideoOutput> process_video(trickle::VideoFrame frame) override {
    emit_data("{\"seconds\":" + std::to_string(frame.timestamp.seconds()) +
              ",\"objects\":" + std::to_string(count_objects(frame)) + "}");
    return trickle::VideoOutput(std::move(frame));
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  trickle::ClientOptions options;
  options.subscribe_url = argv[1];
  options.data_url = argv[2];
  options.decode.size = trickle::PictureSize{160, 120};
  options.decode.format = trickle::PixelFormat::kGray8;
  ObjectCounter counter;
  const auto result = trickle::Client(counter, options).run();
  if (!result) std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
  return result ? 0 : 1;
}
