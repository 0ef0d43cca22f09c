// Makes a robot of whoever speaks, by ring modulation: voice_changer SUBSCRIBE_URL PUBLISH_URL
#include <trickle/trickle.h>

#include <cmath>
#include <numbers>

int main(int, char** argv) {
  constexpr double kCarrierHz = 90;
  trickle::SimpleClient client{argv[1], argv[2]};
  const auto change = [phase = 0.0](trickle::AudioFrame frame) mutable -> trickle::AudioOutput {
    const double step = 2 * std::numbers::pi * kCarrierHz / frame.sample_rate;
    for (int channel = 0; channel < frame.channels; ++channel) {
      double at = phase;
      for (float& sample : frame.floats(channel)) sample *= static_cast<float>(std::sin(at += step));
    }
    phase = std::fmod(phase + step * static_cast<double>(frame.samples), 2 * std::numbers::pi);
    return {frame};
  };
  return client.process_audio(change) ? 0 : 1;
}
