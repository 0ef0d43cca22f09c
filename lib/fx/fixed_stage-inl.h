// FixedStage and WindowEnd on vectors. Included once for each target, inside and outside of foreach_target.h.
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

// Coefficients are kept as vectors: taken from the plan in the loop, they would be spread over a vector again
// for each step, because for all the compiler knows the last store changed them.
HWY_INLINE V16 spread(int16_t value) { return hn::Set(D16(), value); }

// A row of a plan's coefficients.
struct Affine {
  V16 factor[3];
  V16 add;

  Affine(const int16_t (&factors)[3], int16_t constant)
      : factor{hn::Set(D16(), factors[0]), hn::Set(D16(), factors[1]), hn::Set(D16(), factors[2])},
        add(hn::Set(D16(), constant)) {}

  HWY_INLINE V16 of(const V16 (&rgb)[3]) const {
    const V16 red_green =
        hn::Add(hn::MulFixedPoint15(rgb[0], factor[0]), hn::MulFixedPoint15(rgb[1], factor[1]));
    return hn::Add(hn::Add(red_green, hn::MulFixedPoint15(rgb[2], factor[2])), add);
  }
};

class VectorPower {
 public:
  HWY_INLINE void set(const FixedPower& power) {
    for (int i = 0; i < 5; ++i) polynomial_[i] = spread(power.polynomial[i]);
    normalise_ = hn::BitCast(D16(), hn::LoadDup128(DU16(), power.normalise));
    scale_ = hn::LoadDup128(D16(), power.scale);
    multiplications_ = power.multiplications;
  }

  // Of 2 * value, not negative.
  HWY_INLINE V16 of(V16 doubled) const {
    const V16 index = table_index(doubled);
    const V16 x = hn::Mul(doubled, hn::TableLookupBytes(normalise_, index));
    V16 sum = polynomial_[0];
    for (int i = 1; i < 5; ++i) sum = hn::Add(hn::MulFixedPoint15(sum, x), polynomial_[i]);
    sum = hn::MulFixedPoint15(sum, hn::TableLookupBytes(scale_, index));
    for (int i = 0; i < multiplications_; ++i) sum = hn::MulFixedPoint15(sum, doubled);
    return sum;
  }

 private:
  // Which of the 8 entries of a table, as the numbers of its two bytes. A float has its exponent above 7 more
  // bits in its upper half, and 126 is the exponent of what is below 1.
  static HWY_INLINE V16 table_index(V16 value) {
    const hn::RepartitionToWide<D16> d32;
    const hn::Repartition<float, D16> df;
    const DU16 du;
    const auto both = hn::BitCast(hn::RepartitionToWide<DU16>(), value);
    const auto odd = hn::ConvertTo(df, hn::BitCast(d32, hn::ShiftRight<16>(both)));
    const auto even =
        hn::ConvertTo(df, hn::BitCast(d32, hn::And(both, hn::Set(hn::RepartitionToWide<DU16>(), 0xFFFF))));
    const auto even_high = hn::ShiftRight<16>(hn::BitCast(hn::RepartitionToWide<DU16>(), even));
    const VU16 exponent = hn::OddEven(hn::BitCast(du, odd), hn::BitCast(du, even_high));
    const VU16 entry = hn::ShiftRight<8>(hn::SaturatedSub(exponent, hn::Set(du, 126 << 7)));
    return hn::BitCast(D16(), hn::Add(hn::Mul(entry, hn::Set(du, 0x0202)), hn::Set(du, 0x0100)));
  }

  V16 polynomial_[5], normalise_, scale_;
  int multiplications_;
};

class VectorEnd {
 public:
  HWY_INLINE void set(const WindowEnd& end) {
    shift_ = end.shift;
    for (int i = 0; i < 3; ++i) bias2_[i] = spread(static_cast<int16_t>(end.bias2[i]));
    has_power_ = end.power.has_value();
    if (has_power_) power_.set(*end.power);
  }

  // Window values to 2 * value, for the next stage.
  HWY_INLINE void leave_doubled(V16 (&rgb)[3]) const {
    for (int i = 0; i < 3; ++i) rgb[i] = doubled(rgb[i], i);
    if (!has_power_) return;
    for (auto& channel : rgb) channel = hn::ShiftLeft<1>(power_.of(channel));
  }

  // Window values to what the way back to YUV starts from.
  HWY_INLINE void leave(V16 (&rgb)[3]) const {
    if (has_power_) {
      for (int i = 0; i < 3; ++i) rgb[i] = power_.of(doubled(rgb[i], i));
    } else if (shift_ > 0) {
      for (auto& channel : rgb) channel = hn::ShiftLeftSame(channel, shift_);
    }
  }

 private:
  // Limits that are no whole numbers of units may give -1 for 0.
  HWY_INLINE V16 doubled(V16 window, int i) const {
    const V16 moved = shift_ == 0 ? hn::ShiftLeft<1>(window) : hn::ShiftLeftSame(window, shift_ + 1);
    return hn::Max(hn::Sub(moved, bias2_[i]), hn::Zero(D16()));
  }

  int shift_;
  bool has_power_;
  V16 bias2_[3];
  VectorPower power_;
};

class VectorStage {
 public:
  HWY_INLINE void set(const FixedStage& stage) {
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) matrix_[i][j] = spread(stage.matrix[i][j]);
      for (size_t j = 0; j < 2; ++j) add_[i][j] = spread(stage.add[i][j]);
      floor_[i] = spread(stage.floor[i]);
    }
  }

  // Doubled values to window values.
  HWY_INLINE void apply(V16 (&rgb)[3]) const {
    V16 sums[3] = {rgb[0], rgb[0], rgb[0]};
    for (int i = 0; i < 3; ++i) {
      const V16 red_green = hn::SaturatedAdd(hn::MulFixedPoint15(rgb[0], matrix_[i][0]),
                                             hn::MulFixedPoint15(rgb[1], matrix_[i][1]));
      const V16 products = hn::SaturatedAdd(red_green, hn::MulFixedPoint15(rgb[2], matrix_[i][2]));
      sums[i] = hn::Max(hn::SaturatedAdd(hn::SaturatedAdd(products, add_[i][0]), add_[i][1]), floor_[i]);
    }
    for (int i = 0; i < 3; ++i) rgb[i] = sums[i];
  }

 private:
  V16 matrix_[3][3], add_[3][2], floor_[3];
};

}  // namespace trickle::fx::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
