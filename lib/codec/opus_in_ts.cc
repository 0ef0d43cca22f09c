#include "codec/opus_in_ts.h"

#include <array>
#include <vector>

#include "codec/convert.h"

namespace trickle {
namespace {

constexpr uint8_t kExtensionDescriptor = 0x7f;
constexpr uint8_t kOpusExtension = 0x80;
constexpr uint8_t kMaxChannels = 8;

// Streams, coupled streams and order of channels for 1 to 8 channels (RFC 7845, 5.1.1.2: Vorbis order).
constexpr std::array<uint8_t, 9> kStreams{1, 1, 1, 2, 2, 3, 4, 4, 5};
constexpr std::array<uint8_t, 9> kCoupled{1, 0, 1, 1, 2, 2, 2, 3, 3};
constexpr std::array<std::array<uint8_t, 8>, 8> kOrder{{
    {0},
    {0, 1},
    {0, 2, 1},
    {0, 1, 2, 3},
    {0, 4, 1, 2, 3},
    {0, 4, 1, 2, 3, 5},
    {0, 4, 1, 2, 3, 5, 6},
    {0, 6, 1, 2, 3, 4, 5, 7},
}};

uint8_t channel_code(std::span<const uint8_t> descriptors) {
  while (descriptors.size() >= 2) {
    const size_t size = 2U + descriptors[1];
    if (size > descriptors.size()) break;
    if (descriptors[0] == kExtensionDescriptor && size >= 4 && descriptors[2] == kOpusExtension) {
      return descriptors[3];
    }
    descriptors = descriptors.subspan(size);
  }
  return 2;
}

}  // namespace

void describe_opus(AVCodecParameters& parameters, std::span<const uint8_t> descriptors) {
  uint8_t channels = channel_code(descriptors);
  if (channels < 1 || channels > kMaxChannels) channels = 2;
  parameters.sample_rate = 48'000;
  av_channel_layout_default(&parameters.ch_layout, channels);
  std::vector<uint8_t> head{'O', 'p', 'u',  's',  'H', 'e', 'a', 'd', 1, channels,
                            0,   0,   0x80, 0xbb, 0,   0,   0,   0,   0};
  if (channels > 2) {
    head.back() = 1;
    head.push_back(kStreams[channels]);
    head.push_back(kCoupled[channels]);
    const auto& order = kOrder[channels - 1U];
    head.insert(head.end(), order.begin(), order.begin() + channels);
  }
  static_cast<void>(set_extradata(parameters, head));  // Without it a decoder takes stereo.
}

}  // namespace trickle
