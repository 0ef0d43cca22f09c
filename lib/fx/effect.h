// What any effect that is more than a change of colour implements.
#pragma once

#include "trickle/frame.h"
#include "trickle/result.h"

namespace trickle::fx {

/// One running effect. Belongs to one thread at a time.
class Effect {
 public:
  virtual ~Effect() = default;

  /// Transforms one frame; timing and, unless the effect is about it, colour properties are kept. Size and
  /// format may differ from the input's and from one frame to the next. \return what made this frame
  /// impossible; the next one may be given all the same.
  virtual Result<VideoFrame> process(VideoFrame frame) = 0;
};

}  // namespace trickle::fx
