// What a stream consists of: its video track and its audio tracks, as they are known before the first frame.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "trickle/frame.h"

namespace trickle {

/// The video track as it is known before its first frame. Each frame states its own size and format; they may
/// change in mid-stream.
struct VideoTrackInfo {
  int width = 0;
  int height = 0;
  PixelFormat format = PixelFormat::kNone;
  Rational time_base{1, 90000};
  Rational frame_rate;  ///< Nominal; 0/1: unknown or variable.
  ColorProperties color;
  Rational sample_aspect;
};

struct AudioTrackInfo {
  std::string codec;  ///< FFmpeg's codec name: "aac", "opus", "mp2", "pcm_s16le", …
  int sample_rate = 0;
  int channels = 0;
  Rational time_base{1, 90000};
  int frame_size_samples = 0;      ///< Samples per packet; 0: varies or unknown.
  std::vector<uint8_t> extradata;  ///< Codec configuration, as FFmpeg lays it out.
};

struct StreamInfo {
  std::optional<VideoTrackInfo> video;
  std::vector<AudioTrackInfo> audio;
};

}  // namespace trickle
