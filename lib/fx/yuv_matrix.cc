#include "fx/yuv_matrix.h"

namespace trickle::fx {
namespace {

struct LumaWeights {
  double red, blue;
};

// H.273 table 4, "MatrixCoefficients".
LumaWeights luma_weights(uint8_t matrix) {
  switch (matrix) {
    case 1:
      return {0.2126, 0.0722};
    case 4:
      return {0.30, 0.11};
    case 7:
      return {0.212, 0.087};
    case 9:
    case 10:
      return {0.2627, 0.0593};
    default:
      return {0.299, 0.114};
  }
}

struct CodeRange {
  double luma_offset, luma_scale;      // Y = offset + scale * y, y in [0,1]
  double chroma_offset, chroma_scale;  // U = offset + scale * cb, cb in [-0.5,0.5]
};

CodeRange code_range(ColorProperties::Range range, int bits) {
  const double unit = 1 << (bits - 8);
  if (range == ColorProperties::Range::kFull) {
    const double highest = (1 << bits) - 1;
    return {0, highest, 128 * unit, highest};
  }
  return {16 * unit, 219 * unit, 128 * unit, 224 * unit};
}

}  // namespace

YuvMatrix yuv_matrix(const ColorProperties& color, int bits) {
  const auto [kr, kb] = luma_weights(color.matrix);
  const double kg = 1 - kr - kb;
  const CodeRange code = code_range(color.range, bits);
  const double cr_to_red = 2 * (1 - kr) / code.chroma_scale;
  const double cb_to_blue = 2 * (1 - kb) / code.chroma_scale;
  const double y = 1 / code.luma_scale;

  YuvMatrix m;
  m.to_rgb = {{{y, 0, cr_to_red}, {y, -cb_to_blue * kb / kg, -cr_to_red * kr / kg}, {y, cb_to_blue, 0}}};
  const Row3 luma{kr, kg, kb};
  for (size_t i = 0; i < 3; ++i) {
    m.to_rgb_offset[i] =
        -m.to_rgb[i][0] * code.luma_offset - (m.to_rgb[i][1] + m.to_rgb[i][2]) * code.chroma_offset;
    m.to_yuv[0][i] = code.luma_scale * luma[i];
    m.to_yuv[1][i] = ((i == 2 ? 1 : 0) - luma[i]) / cb_to_blue;
    m.to_yuv[2][i] = ((i == 0 ? 1 : 0) - luma[i]) / cr_to_red;
  }
  m.to_yuv_offset = {code.luma_offset, code.chroma_offset, code.chroma_offset};
  return m;
}

}  // namespace trickle::fx
