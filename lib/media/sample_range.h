// Samples of more than 8 bits: they lie in the low bits of 16, so that whoever makes them can leave anything
// above.
#pragma once

#include "trickle/frame.h"

namespace trickle {

/// `frame` with no sample above what its format's bits can say: encoders take that for granted, and some end
/// the process or read outside their tables where it does not hold. Greater ones become the greatest; pixels
/// are copied only then, and only where the frame is not ours to write to.
[[nodiscard]] VideoFrame in_sample_range(VideoFrame frame);

}  // namespace trickle
