// The vector kernels for frames that are RGB already (rgb24, rgba, bgra, gbrp). Alpha stays as it is.
#pragma once

#include <span>

#include "fx/fixed_plan.h"
#include "trickle/frame.h"

namespace trickle::fx {

/// What happens to the bytes of one channel: flipped, moved with saturation, limited.
struct ByteMap {
  uint8_t flip = 0;  ///< 0, or 255: x becomes 255 - x.
  uint8_t add = 0;
  uint8_t subtract = 0;
  uint8_t low = 0;
  uint8_t high = 255;
};

/// For R, G and B.
using ByteMaps = std::array<ByteMap, 3>;

/// Reads `in` and writes `out`, which may be the same frame: planes of the same format and size, any strides.
void run_byte_kernel(const ByteMaps& maps, const VideoFrame& in, const VideoFrame& out);

/// The same for stages of make_rgb_plan(), at least one.
void run_rgb_kernel(std::span<const FixedStage> stages, const VideoFrame& in, const VideoFrame& out);

}  // namespace trickle::fx
