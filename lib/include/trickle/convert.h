// Pictures in another form: as RGB, and as the tensors that models take. Each is one pass over the picture.
//
// YUV is understood by the matrix and range that the frame states (BT.601 limited where it states none);
// subsampled chroma is replicated on the way to RGB and averaged on the way back. Functions are pure: any
// thread may call them. They need no tensor library; for LibTorch see torch.h.
#pragma once

#include <cstdint>

#include "trickle/export.h"
#include "trickle/frame.h"

namespace trickle {

/// A new writable frame of the same picture in `format`, timing, colour properties and user data kept.
[[nodiscard]] TRICKLE_API VideoFrame to_format(const VideoFrame& frame, PixelFormat format);
[[nodiscard]] inline VideoFrame to_rgb(const VideoFrame& frame) {
  return to_format(frame, PixelFormat::kRgb24);
}

/// How the values of a tensor follow each other.
enum class TensorLayout : uint8_t {
  kNhwc,  ///< r g b r g b …, rows from the top: shape [1,H,W,3].
  kNchw,  ///< All of red, then green, then blue: shape [1,3,H,W].
};

/// Writes the picture as RGB in [0,1]: 3 * width * height floats to `rgb`.
TRICKLE_API void to_floats(const VideoFrame& frame, TensorLayout layout, float* rgb);

/// A new frame of `width` x `height` made of `values` (channels 1: grey, 3: RGB, 4: RGB and an alpha that is
/// ignored), clamped to [0,1], NaN as 0. Format, timing, colour properties and user data are those of `like`.
[[nodiscard]] TRICKLE_API VideoFrame from_floats(const float* values, int width, int height, int channels,
                                                 TensorLayout layout, const VideoFrame& like);

}  // namespace trickle
