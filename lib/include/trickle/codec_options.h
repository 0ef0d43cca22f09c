// What a user may choose about decoding and encoding; the tools' options map to these one to one.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trickle/frame.h"

namespace trickle {

enum class AudioMode {
  kCopy,  ///< Compressed packets pass untouched.
  kPcm,   ///< Decoded to signed 16-bit (decode only).
  kOpus,  ///< Encoded (encode only).
  kAac,   ///< Encoded (encode only).
  kNone,  ///< Left out.
};

/// What a codec's threads are for.
enum class Latency {
  kLow,         ///< Each picture comes out before the next goes in.
  kThroughput,  ///< Whole pictures side by side: a picture of delay for each thread.
};

struct PictureSize {
  int width;
  int height;
};

struct DecodeOptions {
  std::optional<PictureSize> size{};  ///< Scale to cover, cut the centre; absent: the source's size.
  std::optional<double> max_fps{};  ///< Drop frames that come earlier than 1/max_fps after the last due time.
  PixelFormat format = PixelFormat::kNone;  ///< Convert to this; kNone: keep the source's.
  AudioMode audio = AudioMode::kCopy;
  int threads = 0;  ///< 0: as suits the cores and the latency.
  Latency latency = Latency::kLow;
  std::string hwaccel{};  ///< FFmpeg's name of a hardware decoder type; empty: software.
};

struct EncodeOptions {
  std::string codec = "libx264";  ///< FFmpeg's encoder name.
  std::string preset = "superfast";
  std::optional<uint64_t> bitrate{};  ///< Bits per second; replaces crf.
  double crf = 23;
  std::chrono::microseconds gop{
      2'000'000};  ///< An IDR is forced when this much time has passed, by timestamp.
  AudioMode audio = AudioMode::kCopy;
  int threads = 0;
  Latency latency = Latency::kLow;
  std::vector<std::pair<std::string, std::string>> options{};  ///< Any other encoder option (KEY, VALUE).
};

}  // namespace trickle
