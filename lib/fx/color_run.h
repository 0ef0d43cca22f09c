// A run of colour effects as one effect: made for each pixel format as it comes, in place where that is
// allowed.
#pragma once

#include <optional>
#include <vector>

#include "fx/color_pass.h"
#include "fx/effect.h"
#include "fx/frame_pool.h"

namespace trickle::fx {

class ColorRun final : public Effect {
 public:
  explicit ColorRun(std::vector<ColorStep> steps) : steps_(std::move(steps)) {}

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
  FramePool pool_;
};

}  // namespace trickle::fx
