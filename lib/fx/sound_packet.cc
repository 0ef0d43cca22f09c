#include "fx/sound_packet.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

namespace trickle::fx {
namespace {

constexpr float kScale = 32768;

int16_t to_sample(float value) {
  if (std::isnan(value)) return 0;
  return static_cast<int16_t>(std::lrintf(std::clamp(value * kScale, -32768.0F, 32767.0F)));
}

}  // namespace

SoundBlock to_sound(const AudioPacket& packet, const AudioTrackInfo& track) {
  SoundBlock block{packet.track, track.sample_rate, track.channels, packet.timestamp, {}};
  block.samples.resize(packet.size_bytes / sizeof(int16_t));
  const uint8_t* from = packet.data;
  for (float& sample : block.samples) {
    int16_t code = 0;
    std::memcpy(&code, from, sizeof(code));
    from += sizeof(code);
    sample = static_cast<float>(code) / kScale;
  }
  return block;
}

AudioPacket to_packet(const SoundBlock& block) {
  auto samples = std::make_shared<std::vector<int16_t>>(block.samples.size());
  std::transform(block.samples.begin(), block.samples.end(), samples->begin(), to_sample);
  AudioPacket packet;
  packet.track = block.track;
  packet.timestamp = block.timestamp;
  const Rational base = block.timestamp.time_base;
  packet.duration_ticks =
      std::llround(static_cast<double>(block.length()) / block.sample_rate / base.to_double());
  packet.data = reinterpret_cast<const uint8_t*>(samples->data());
  packet.size_bytes = samples->size() * sizeof(int16_t);
  packet.memory = std::move(samples);
  return packet;
}

}  // namespace trickle::fx
