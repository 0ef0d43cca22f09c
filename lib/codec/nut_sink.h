// Writes a frame stream: raw video and audio packets in NUT version 4, each item as soon as it is given.
#pragma once

#include <memory>

#include "base/counters.h"
#include "media/frame_stream.h"
#include "trickle/result.h"

namespace trickle {

/// \param fd not owned.
Result<std::unique_ptr<FrameSink>> open_nut_sink(int fd, const StreamInfo& info, Counters& counters);

}  // namespace trickle
