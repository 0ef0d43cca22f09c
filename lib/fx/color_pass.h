// A chain of colour effects, made ready for one pixel format: one pass over the frame.
#pragma once

#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "fx/color_step.h"
#include "fx/curve_plan.h"
#include "fx/fixed_plan.h"
#include "fx/float_pass.h"
#include "fx/rgb_kernel.h"
#include "trickle/frame.h"
#include "trickle/result.h"

namespace trickle::fx {

/// Immutable once made; run() may be called from any thread.
class ColorPass {
 public:
  /// A pass that does nothing.
  ColorPass() = default;

  /// In the kernels' fixed point where that holds the steps, and else in single precision. \return kUsage for
  /// a format without kernels.
  static Result<ColorPass> make(std::span<const ColorStep> steps, PixelFormat format,
                                const ColorProperties& color);

  /// True when frames need not be touched at all.
  [[nodiscard]] bool nothing_to_do() const { return plan_ == nullptr; }

  /// Reads `in` and writes the pixels of `out`, which may be `in` itself: both of the format that this pass
  /// was made for and of the same size. Never fails.
  void run(const VideoFrame& in, const VideoFrame& out) const;

 private:
  using Plan = std::variant<YuvPlan, CurvePlan, ByteMaps, std::vector<FixedStage>, FloatPass>;

  static Plan plan_for(const std::vector<ColorStage>& stages, PixelFormat format,
                       const ColorProperties& color);

  std::shared_ptr<const Plan> plan_;  // Null: nothing to do.
};

}  // namespace trickle::fx
