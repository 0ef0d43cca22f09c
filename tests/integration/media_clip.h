// A clip made in the test itself: grey pictures that grow brighter, and a tone.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "io/fd_io.h"
#include "trickle/trickle.h"

namespace trickle::testing {

inline constexpr int kClipFps = 25;
inline constexpr int kClipRate = 48000;

/// A file in memory with these bytes, at its beginning.
inline UniqueFd memory_file(const std::string& bytes = "") {
  UniqueFd fd(::memfd_create("clip", MFD_CLOEXEC));
  EXPECT_TRUE(write_full(fd.get(), std::as_bytes(std::span(bytes))));
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

inline std::string whole_file(int fd) {
  std::string bytes(static_cast<size_t>(::lseek(fd, 0, SEEK_END)), '\0');
  EXPECT_EQ(::pread(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return bytes;
}

/// MPEG-TS with a keyframe each second.
inline std::string make_clip(int frames, int width = 128, int height = 96) {
  StreamInfo info;
  info.video = VideoTrackInfo{};
  info.video->width = width;
  info.video->height = height;
  info.video->format = PixelFormat::kYuv420p;
  info.video->frame_rate = {kClipFps, 1};
  info.audio.push_back({"pcm_s16le", kClipRate, 1, {1, 90000}, 0, {}});
  EncodeOptions options;
  options.gop = std::chrono::seconds(1);
  options.audio = AudioMode::kAac;
  options.threads = 1;
  const UniqueFd fd = memory_file();
  auto encoder = Encoder::open(fd.get(), info, options);
  EXPECT_TRUE(encoder) << encoder.error().to_string();
  for (int i = 0; i < frames; ++i) {
    VideoFrame frame = make_video_frame(PixelFormat::kYuv420p, width, height);
    std::memset(frame.memory.get(), 128, packed_picture_bytes(frame.format, width, height));
    std::memset(frame.planes[0].data, 60 + i % 100, static_cast<size_t>(width) * static_cast<size_t>(height));
    frame.timestamp = {90000 + int64_t{i} * 90000 / kClipFps, {1, 90000}};
    AudioFrame sound = make_audio_frame(SampleFormat::kFloat, kClipRate, 1, kClipRate / kClipFps);
    for (size_t s = 0; s < sound.samples; ++s) {
      sound.floats(0)[s] = 0.5F * std::sin(static_cast<float>(s) * 2 * 3.14159265F * 440 / kClipRate);
    }
    sound.timestamp = frame.timestamp;
    EXPECT_TRUE((*encoder)->write(std::move(frame)));
    EXPECT_TRUE((*encoder)->write(sound));
  }
  EXPECT_TRUE((*encoder)->finish());
  return whole_file(fd.get());
}

struct DecodedClip {
  std::vector<VideoFrame> frames;
  std::vector<AudioFrame> sound;
};

inline DecodedClip decode_clip(const std::string& bytes) {
  DecodedClip clip;
  DecodeOptions options;
  options.audio = AudioMode::kPcm;
  const UniqueFd fd = memory_file(bytes);
  auto decoder = Decoder::open(fd.get(), options);
  EXPECT_TRUE(decoder) << decoder.error().to_string();
  while (decoder) {
    auto item = (*decoder)->read();
    EXPECT_TRUE(item) << item.error().to_string();
    if (!item || !*item) break;
    if (auto* frame = std::get_if<VideoFrame>(&**item)) clip.frames.push_back(copy_of(*frame));
    if (auto* sound = std::get_if<AudioFrame>(&**item)) clip.sound.push_back(*sound);
  }
  return clip;
}

/// The mean of the luma (or, of a picture in RGB, of all components).
inline double mean_of_first_plane(const VideoFrame& frame) {
  const size_t bytes = plane_row_bytes(frame.format, 0, frame.width);
  double sum = 0;
  for (int y = 0; y < frame.height; ++y) {
    for (size_t x = 0; x < bytes; ++x)
      sum += frame.planes[0].data[y * frame.planes[0].stride_bytes + static_cast<ptrdiff_t>(x)];
  }
  return sum / (static_cast<double>(bytes) * frame.height);
}

inline double loudness(const std::vector<AudioFrame>& sound) {
  double sum = 0;
  size_t count = 0;
  for (const AudioFrame& frame : sound) {
    for (const float value : frame.floats(0)) sum += static_cast<double>(value) * value;
    count += frame.samples;
  }
  return count == 0 ? 0 : std::sqrt(sum / static_cast<double>(count));
}

}  // namespace trickle::testing
