// Pictures turned by quarters, for sources that say how they are to be shown.
#pragma once

#include "media/frame_memory.h"
#include "trickle/frame.h"

namespace trickle {

/// True when a picture of this format can be turned by 90 degrees as it is: its chroma is subsampled alike in
/// both directions.
[[nodiscard]] bool can_turn(PixelFormat format);

/// `frame` turned clockwise by 90, 180 or 270 degrees, exactly; a field order is lost by a quarter turn, the
/// pixels' shape is turned too. \return a frame without memory when there is none.
[[nodiscard]] VideoFrame turned(const VideoFrame& frame, int degrees, FrameMemory& memory);

}  // namespace trickle
