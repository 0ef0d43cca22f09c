// Colour stages in single precision: what the fixed-point kernels can't hold (several strong
// contrasts one after another). Slower than those, and as exact.
#pragma once

#include <vector>

#include "fx/color_fold.h"
#include "fx/rgb_rows.h"
#include "trickle/frame.h"

namespace trickle::fx {

/// Immutable once made; run() may be called from any thread.
class FloatPass {
 public:
  FloatPass(std::vector<ColorStage> stages, const ColorProperties& color, int bits);

  /// Reads `in` and writes `out`, which may be the same frame: of the same format and size, any strides.
  /// Alpha is copied.
  void run(const VideoFrame& in, const VideoFrame& out) const;

 private:
  // x to the power of an exponent for x in [0,1], looked up by its square root: there even small powers are
  // smooth.
  struct Power {
    explicit Power(double exponent);
    [[nodiscard]] float of(float x) const;
    std::vector<float> table;
  };
  struct Stage {
    struct Linear {
      float matrix[3][3];
      float offset[3], low[3], high[3];
    };
    Linear linear{};
    std::vector<Power> power;  // One or none.
  };

  static void apply(const Stage& stage, RgbRow& row);

  YuvMatrix matrix_;
  std::vector<Stage> stages_;
};

}  // namespace trickle::fx
