// What any effect that is more than a change of colour implements.
#pragma once

#include <vector>

#include "fx/parameters.h"
#include "media/sound_block.h"
#include "trickle/frame.h"
#include "trickle/result.h"

namespace trickle::fx {

using Frames = std::vector<VideoFrame>;
using Sounds = std::vector<SoundBlock>;

/// One running effect. All but update() belongs to one thread at a time.
class Effect {
 public:
  virtual ~Effect() = default;

  /// Takes one frame and appends what is ready to `out`: usually that frame, transformed, with its timing
  /// and, unless the effect is about them, its colour properties. Size and format may differ from the input's
  /// and from one frame to the next; an effect may also hold frames back, drop or add some, but gives them in
  /// the order of their timestamps. `frame` may be taken. \return what made this frame impossible: then
  /// `frame` is as it came, and nothing was appended for it; the next one may be given all the same.
  virtual Result<void> process(VideoFrame& frame, Frames& out) = 0;
  /// Appends what the effect still holds: the stream has ended, or the effect leaves the chain. Frames may
  /// come again afterwards.
  virtual Result<void> finish(Frames& /*out*/) { return {}; }

  /// The same for sound, where the registry says that the effect takes it.
  virtual Result<void> process_sound(SoundBlock& block, Sounds& out) {
    out.push_back(std::move(block));
    return {};
  }
  virtual Result<void> finish_sound(Sounds& /*out*/) { return {}; }

  /// Changes a running effect, from the next frame on. Called on the thread that steers while another one may
  /// be in process(). \return true: it is done; false: an effect with these parameters must be made anew; an
  /// error: the parameters are refused, and nothing has changed.
  virtual Result<bool> update(const Parameters& /*parameters*/) { return false; }
};

}  // namespace trickle::fx
