// Writes a frame stream: raw video and audio packets in NUT version 4, each item as soon as it is given.
#pragma once

#include <memory>

#include "base/counters.h"
#include "media/frame_memory.h"
#include "media/frame_stream.h"
#include "trickle/result.h"

namespace trickle {

/// \param fd not owned. \param shared memory that a reader in another process can see, to be offered to it
/// (media/shm_link.h) where `fd` is a pipe; null: pictures go through the pipe.
Result<std::unique_ptr<FrameSink>> open_nut_sink(int fd, const StreamInfo& info, Counters& counters,
                                                 std::shared_ptr<FrameMemory> shared);

}  // namespace trickle
