// Sound as samples: what effects on sound take and give.
#pragma once

#include <vector>

#include "trickle/frame.h"

namespace trickle {

/// Samples of one track that follow each other, interleaved, 1.0 being full scale.
struct SoundBlock {
  int track = 0;        ///< Index into StreamInfo::audio.
  int sample_rate = 0;  ///< Per second and channel.
  int channels = 0;
  Timestamp timestamp;  ///< Of the first sample.
  std::vector<float> samples;

  /// Samples of each channel.
  [[nodiscard]] size_t length() const {
    return channels > 0 ? samples.size() / static_cast<size_t>(channels) : 0;
  }
};

}  // namespace trickle
