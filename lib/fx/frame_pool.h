// Frames whose memory is used again: nothing the size of a frame is allocated while a stream runs.
#pragma once

#include <memory>

#include "trickle/frame.h"

namespace trickle::fx {

/// Belongs to one thread; the frames it gives may be released on any other, also after the pool has gone.
class FramePool {
 public:
  FramePool();

  /// A writable frame whose planes follow each other without padding. Pixels are not initialised. Memory is
  /// allocated only when none of the same size is free; another size frees what there is.
  [[nodiscard]] VideoFrame take(PixelFormat format, int width, int height);

 private:
  struct Shelf;
  std::shared_ptr<Shelf> shelf_;
};

}  // namespace trickle::fx
