// FixedStage on vectors. Included once for each target, inside and outside of foreach_target.h.
#if defined(TRICKLE_FX_FIXED_STAGE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRICKLE_FX_FIXED_STAGE_INL_H
#undef TRICKLE_FX_FIXED_STAGE_INL_H
#else
#define TRICKLE_FX_FIXED_STAGE_INL_H
#endif

#include <hwy/highway.h>

#include "fx/fixed_plan.h"

HWY_BEFORE_NAMESPACE();
namespace trickle::fx::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D16 = hn::ScalableTag<int16_t>;
using DU16 = hn::ScalableTag<uint16_t>;
using DU8 = hn::ScalableTag<uint8_t>;
using DHalf8 = hn::Rebind<uint8_t, D16>;
using V16 = hn::Vec<D16>;
using VU16 = hn::Vec<DU16>;

HWY_INLINE V16 add_split(V16 value, const SplitConstant& constant) {
  const D16 d;
  return hn::SaturatedAdd(hn::SaturatedAdd(value, hn::Set(d, constant[0])), hn::Set(d, constant[1]));
}

// Window values to 2 * value, for the next stage.
HWY_INLINE void leave_window(const uint16_t (&bias2)[3], V16 (&rgb)[3]) {
  const D16 d;
  for (int i = 0; i < 3; ++i) {
    rgb[i] = hn::Sub(hn::ShiftLeft<1>(rgb[i]), hn::Set(d, static_cast<int16_t>(bias2[i])));
  }
}

// Doubled values to window values.
HWY_INLINE void apply_stage(const FixedStage& stage, V16 (&rgb)[3]) {
  const D16 d;
  V16 sums[3] = {rgb[0], rgb[0], rgb[0]};
  for (int i = 0; i < 3; ++i) {
    const auto& m = stage.matrix[i];
    const V16 products = hn::SaturatedAdd(hn::SaturatedAdd(hn::MulFixedPoint15(rgb[0], hn::Set(d, m[0])),
                                                           hn::MulFixedPoint15(rgb[1], hn::Set(d, m[1]))),
                                          hn::MulFixedPoint15(rgb[2], hn::Set(d, m[2])));
    sums[i] = hn::Max(add_split(products, stage.add[i]), hn::Set(d, stage.floor[i]));
  }
  for (int i = 0; i < 3; ++i) rgb[i] = sums[i];
}

}  // namespace trickle::fx::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
