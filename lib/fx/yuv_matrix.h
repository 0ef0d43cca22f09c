// From YUV codes to RGB and back, in double precision (ITU-R BT.601, BT.709, BT.2020; H.273).
#pragma once

#include "fx/color_step.h"
#include "trickle/frame.h"

namespace trickle::fx {

/// RGB in [0,1] is `to_rgb` * (Y, U, V) + `to_rgb_offset`; (Y, U, V) is `to_yuv` * RGB + `to_yuv_offset`.
/// Y, U and V are codes: 0 to 2^bits - 1.
struct YuvMatrix {
  std::array<Row3, 3> to_rgb{};
  Row3 to_rgb_offset{};
  std::array<Row3, 3> to_yuv{};
  Row3 to_yuv_offset{};
};

/// By the frame's own matrix and range; BT.601 and limited where it signals none. Constant-luminance BT.2020
/// is taken as non-constant, and matrices that are not of the Kr/Kb kind as BT.601.
[[nodiscard]] YuvMatrix yuv_matrix(const ColorProperties& color, int bits);

}  // namespace trickle::fx
