// The size of a picture from the sequence header of its elementary stream, without decoding anything.
//
// H.264: ISO/IEC 14496-10, 7.3.2.1.1. HEVC: ISO/IEC 23008-2, 7.3.2.2.1. MPEG-1 and -2 video: ISO/IEC
// 13818-2, 6.2.2.1. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "media/ts_psi.h"

namespace trickle::ts {

struct VideoSize {
  int width = 0;  ///< In pixels, as shown: cropped.
  int height = 0;
  bool operator==(const VideoSize&) const = default;
};

/// Looks for a sequence header in the head of an access unit.
/// \return nothing when there is none, it is damaged, or the codec is none of the four.
[[nodiscard]] std::optional<VideoSize> find_video_size(Codec codec, std::span<const uint8_t> access_unit);

}  // namespace trickle::ts
