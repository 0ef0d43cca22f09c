// Decodes the first video stream of a piece of media with libav: whether a segment stands alone.
#pragma once

#include <cstdint>
#include <span>

namespace trickle::testing {

struct DecodedVideo {
  int packets = 0;
  int frames = 0;
  int damaged_frames = 0;  ///< Such that the decoder had to conceal something in.
  bool first_packet_is_key = false;
  bool first_frame_is_whole = false;
};

/// All zero when there is no video in it.
DecodedVideo decode_video(std::span<const uint8_t> media);

}  // namespace trickle::testing
