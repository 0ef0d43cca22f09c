// Slots: pieces of shared regions that frames are made in, used again and again.
#pragma once

#include <memory>

#include "media/frame_memory.h"

namespace trickle {

/// Pieces that a reader in another process can see (see shm_link.h). Slots are used again last in, first out,
/// so that their pages stay mapped and in the caches; more are made when none is free. How many that become
/// is bounded by those who hold frames: the link for the reader, the decoder for its references. A request
/// that is larger than the slots replaces them. Where the system gives no shared memory the heap is used, and
/// that is logged once.
[[nodiscard]] std::shared_ptr<FrameMemory> make_shared_memory();

}  // namespace trickle
