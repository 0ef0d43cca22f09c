// A run of colour effects as one effect: made for each pixel format as it comes, in place where that is
// allowed.
#pragma once

#include <optional>
#include <vector>

#include "fx/color_pass.h"
#include "fx/effect.h"
#include "media/frame_memory.h"

namespace trickle::fx {

class ColorRun final : public Effect {
 public:
  /// \param memory where frames are made that can't be changed in place; null: a heap of its own.
  explicit ColorRun(std::vector<ColorStep> steps, std::shared_ptr<FrameMemory> memory = nullptr)
      : steps_(std::move(steps)), memory_(memory ? std::move(memory) : make_heap_memory()) {}

  /// Never fails: steps that no kernel could do, if there were any, are left out with an error in the log.
  Result<void> process(VideoFrame& frame, Frames& out) override;

 private:
  struct Ready {
    PixelFormat format;
    ColorProperties color;
    ColorPass pass;
  };

  std::vector<ColorStep> steps_;
  std::optional<Ready> ready_;
  std::shared_ptr<FrameMemory> memory_;
};

}  // namespace trickle::fx
