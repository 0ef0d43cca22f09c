// Where the memory of frames comes from: from the heap, or from memory that another process can see.
//
// Whoever makes frames (a decoder, a scaler, an effect) takes them from the FrameMemory it was given, so that
// the sink at the end of the chain finds the pixels where it needs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "trickle/frame.h"

namespace trickle {

/// Thread-safe.
class FrameMemory {
 public:
  virtual ~FrameMemory() = default;

  /// A piece of `size_bytes` or more, aligned to 64 bytes, that goes back for reuse when the last reference
  /// is gone, on whichever thread and also after this object is. Not initialised. \return null when memory is
  /// out.
  virtual std::shared_ptr<uint8_t> take(size_t size_bytes) = 0;
};

/// Pieces from the heap. In the steady state nothing is allocated: up to four free pieces are kept.
[[nodiscard]] std::shared_ptr<FrameMemory> make_heap_memory();

/// A writable frame whose rows begin at multiples of 64 bytes and whose last row has 64 bytes of room behind
/// it, as vector code likes it. Without `memory` set in the result when memory is out.
[[nodiscard]] VideoFrame make_padded_frame(FrameMemory& memory, PixelFormat format, int width, int height);

/// Copies the pixels of `from` into `to`, which has the same format and size.
void copy_pixels(const VideoFrame& from, const VideoFrame& to);

}  // namespace trickle
