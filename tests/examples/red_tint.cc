// Tints a stream red: red_tint SUBSCRIBE_URL PUBLISH_URL
#include <trickle/trickle.h>

int main(int, char** argv) {
  trickle::SimpleClient client{argv[1], argv[2], {.format = trickle::PixelFormat::kRgb24}};
  const auto tint = [](trickle::VideoFrame& frame) {
    for (int y = 0; y < frame.height; ++y) {
      uint8_t* row = frame.planes[0].data + y * frame.planes[0].stride_bytes;
      for (int x = 0; x < frame.width; ++x) row[3 * x] = row[3 * x] < 178 ? row[3 * x] + 77 : 255;
    }
  };
  return client.process(tint) ? 0 : 1;
}
