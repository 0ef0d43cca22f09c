#include "trickle/audio_frame.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "media/pcm.h"

namespace trickle {
namespace {

constexpr float kFullScale = 32768.0F;

int16_t to_s16(float value) {
  // NaN becomes 0: no comparison with it is true.
  const float scaled = value * kFullScale;
  if (!(scaled > -kFullScale)) return std::isnan(value) ? int16_t{0} : int16_t{INT16_MIN};
  return static_cast<int16_t>(std::lrintf(std::min(scaled, kFullScale - 1)));
}
float to_float(int16_t value) { return static_cast<float>(value) / kFullScale; }

}  // namespace

const char* channel_layout_name(int channels) {
  static constexpr std::array kNames{"no channels", "mono", "stereo", "2.1", "4.0",
                                     "5.0",         "5.1",  "6.1",    "7.1"};
  if (channels >= 0 && channels < static_cast<int>(kNames.size()))
    return kNames[static_cast<size_t>(channels)];
  return "more than 8 channels";
}

AudioFrame make_audio_frame(SampleFormat format, int sample_rate, int channels, size_t samples) {
  const size_t width = format == SampleFormat::kFloat ? sizeof(float) : sizeof(int16_t);
  AudioFrame frame;
  frame.format = format;
  frame.sample_rate = sample_rate;
  frame.channels = channels;
  frame.samples = samples;
  // Of floats, so that it is aligned for either kind.
  const size_t floats = (samples * static_cast<size_t>(channels) * width + sizeof(float) - 1) / sizeof(float);
  frame.memory = std::shared_ptr<float[]>(new float[floats]());
  return frame;
}

AudioFrame to_sample_format(const AudioFrame& frame, SampleFormat format) {
  if (frame.format == format) return frame;
  AudioFrame result = make_audio_frame(format, frame.sample_rate, frame.channels, frame.samples);
  result.track = frame.track;
  result.timestamp = frame.timestamp;
  for (int c = 0; c < frame.channels; ++c) {
    if (format == SampleFormat::kFloat) {
      std::ranges::transform(frame.s16(c), result.floats(c).begin(), to_float);
    } else {
      std::ranges::transform(frame.floats(c), result.s16(c).begin(), to_s16);
    }
  }
  return result;
}

AudioFrame from_pcm_packet(const AudioPacket& packet, const AudioTrackInfo& track, SampleFormat format) {
  const auto channels = static_cast<size_t>(std::max(track.channels, 1));
  const size_t samples = packet.size_bytes / (channels * sizeof(int16_t));
  AudioFrame frame = make_audio_frame(format, track.sample_rate, static_cast<int>(channels), samples);
  frame.track = packet.track;
  frame.timestamp = packet.timestamp;
  const uint8_t* data = packet.data;
  for (size_t i = 0; i < samples; ++i) {
    for (size_t c = 0; c < channels; ++c, data += sizeof(int16_t)) {
      const auto value = static_cast<int16_t>(data[0] | data[1] << 8);
      if (format == SampleFormat::kFloat) {
        frame.floats(static_cast<int>(c))[i] = to_float(value);
      } else {
        frame.s16(static_cast<int>(c))[i] = value;
      }
    }
  }
  return frame;
}

AudioPacket to_pcm_packet(const AudioFrame& any, Rational time_base) {
  const AudioFrame frame = to_sample_format(any, SampleFormat::kS16);
  const auto channels = static_cast<size_t>(frame.channels);
  AudioPacket packet;
  packet.size_bytes = frame.samples * channels * sizeof(int16_t);
  const std::shared_ptr<uint8_t[]> memory(new uint8_t[std::max<size_t>(packet.size_bytes, 1)]);
  uint8_t* data = memory.get();
  for (size_t i = 0; i < frame.samples; ++i) {
    for (size_t c = 0; c < channels; ++c) {
      const auto value = static_cast<uint16_t>(frame.s16(static_cast<int>(c))[i]);
      *data++ = static_cast<uint8_t>(value & 0xFF);
      *data++ = static_cast<uint8_t>(value >> 8);
    }
  }
  packet.track = frame.track;
  packet.timestamp = {std::llround(frame.timestamp.seconds() / time_base.to_double()), time_base};
  if (frame.timestamp.time_base == time_base) packet.timestamp.ticks = frame.timestamp.ticks;
  packet.duration_ticks = std::llround(frame.seconds() / time_base.to_double());
  packet.data = memory.get();
  packet.memory = memory;
  return packet;
}

}  // namespace trickle
