// Frames that keep the size of the first one, whatever comes later.
#pragma once

#include <memory>

#include "media/frame_stream.h"

namespace trickle {

/// Passes on what `source` gives; pictures of another size than the first are scaled to it (to cover, the
/// centre cut out). Belongs to one thread.
std::unique_ptr<FrameSource> keep_first_size(std::unique_ptr<FrameSource> source);

}  // namespace trickle
