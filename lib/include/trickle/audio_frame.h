// Decoded sound: one plane of samples for each channel.
//
// Like VideoFrame, an AudioFrame is cheap to copy: its samples are shared by reference count. One thread at a
// time may use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "trickle/export.h"
#include "trickle/frame.h"

namespace trickle {

enum class SampleFormat : uint8_t {
  kS16,    ///< Signed 16 bits.
  kFloat,  ///< -1 to 1.
};

/// Up to a few thousand samples of each channel, in the order of FFmpeg's default layout for that many
/// channels: 1 mono, 2 left right, 6 is 5.1 (left right centre LFE back-left back-right), ….
struct AudioFrame {
  SampleFormat format = SampleFormat::kFloat;
  int sample_rate = 0;  ///< Samples a second.
  int channels = 0;
  size_t samples = 0;   ///< Of each channel.
  int track = 0;        ///< Index into StreamInfo::audio.
  Timestamp timestamp;  ///< Of the first sample.
  /// Owns channels * samples values of `format`, channel after channel.
  std::shared_ptr<void> memory;

  /// The samples of one channel, counted from 0. Only where format is kFloat …
  [[nodiscard]] std::span<float> floats(int channel) const {
    return {static_cast<float*>(memory.get()) + static_cast<size_t>(channel) * samples, samples};
  }
  /// … or kS16.
  [[nodiscard]] std::span<int16_t> s16(int channel) const {
    return {static_cast<int16_t*>(memory.get()) + static_cast<size_t>(channel) * samples, samples};
  }
  [[nodiscard]] double seconds() const {
    return sample_rate > 0 ? static_cast<double>(samples) / sample_rate : 0;
  }
};

/// The name of the layout that so many channels are taken for: "mono", "stereo", "5.1", or "N channels".
[[nodiscard]] TRICKLE_API const char* channel_layout_name(int channels);

/// A new frame of silence. Rate, channels (at most 64) and samples must be positive.
[[nodiscard]] TRICKLE_API AudioFrame make_audio_frame(SampleFormat format, int sample_rate, int channels,
                                                      size_t samples);
/// The same sound in another sample format (clipped and rounded); the frame itself when it is so already.
[[nodiscard]] TRICKLE_API AudioFrame to_sample_format(const AudioFrame& frame, SampleFormat format);

}  // namespace trickle
