#include "fx/curve_kernel.h"

#include <algorithm>

// For the tables of 128 bytes that some processors look up at once.
#define HWY_WANT_AVX3_DL
#include "fx/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fx/curve_kernel.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fx/byte_table-inl.h"
#include "fx/fixed_stage-inl.h"
#include "fx/yuv_layout-inl.h"
#include "fx/yuv_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace trickle::fx::HWY_NAMESPACE {
namespace {

// Factors of the two bytes of a 16-bit lane, the first one in memory first.
HWY_INLINE V16 factors(int8_t first, int8_t second) {
  return spread(static_cast<int16_t>(static_cast<uint8_t>(first) | static_cast<uint8_t>(second) << 8));
}

class CurveKernel {
 public:
  explicit CurveKernel(const CurvePlan& plan)
      : tables_{VectorTable(plan.tables[0]), VectorTable(plan.tables[1]), VectorTable(plan.tables[2])},
        add_(spread(plan.luma_add)),
        u_out_(plan.chroma_out[0], plan.chroma_add[0]),
        v_out_(plan.chroma_out[1], plan.chroma_add[1]) {
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 2; ++j) chroma_[i][j] = spread(plan.chroma[i][j]);
      shift_[i] = spread(plan.shift[i]);
      even_[i] = factors(plan.luma_out[i], 0);
      odd_[i] = factors(0, plan.luma_out[i]);
    }
  }

  // A 16-bit lane holds the bytes of the luma samples next to one another under one chroma sample: two, or
  // one and a 0.
  template <class L>
  HWY_INLINE void step(const Rows<L>& in, const Rows<L>& out) const {
    const D16 d;
    V16 uv[2] = {hn::Zero(d), hn::Zero(d)};
    load_chroma<L>(in, uv);
    const V8 none = hn::Zero(DU8());
    V8 above[3] = {none, none, none};
    V8 below[3] = {none, none, none};
    for (int i = 0; i < 3; ++i) chroma_term(uv, i, above[i], below[i]);
    V8 luma[2] = {none, none};
    for (int row = 0; row < L::kDown; ++row) luma[row] = load_bytes<L>(in.luma[row]);
    V16 sums[3] = {hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    // 128 times the mean of the bytes under a chroma sample; of a single one in two halves.
    constexpr int kSamples = L::kAcross * L::kDown;
    constexpr int8_t kShare = 128 / std::max(kSamples, 2);
    const V16 share = factors(kShare, L::kAcross == 2 ? kShare : 0);
    for (int row = 0; row < L::kDown; ++row) {
      V16 made[2] = {add_, add_};
      for (int i = 0; i < 3; ++i) {
        const V8 index = hn::SaturatedSub(hn::SaturatedAdd(luma[row], above[i]), below[i]);
        const V8 value = tables_[i].of(index);
        made[0] = hn::Add(made[0], weigh(value, even_[i]));
        if constexpr (L::kAcross == 2) made[1] = hn::Add(made[1], weigh(value, odd_[i]));
        if constexpr (L::kChromaKind != Chroma::kNone) sums[i] = hn::Add(sums[i], weigh(value, share));
      }
      store_luma<L>(made, out.luma[row]);
    }
    if constexpr (L::kChromaKind != Chroma::kNone) {
      if constexpr (kSamples == 1) {
        for (V16& sum : sums) sum = hn::Add(sum, sum);
      }
      // In full range the largest chroma rounds up to 256.
      const V16 highest = hn::Set(d, 0x3FFF);
      store_chroma<L>(hn::Min(u_out_.of(sums), highest), hn::Min(v_out_.of(sums), highest), out);
    }
  }

 private:
  // The term rounded to whole codes, what of it is above and what below 0, in both bytes of a lane.
  HWY_INLINE void chroma_term(const V16 (&uv)[2], int i, V8& above, V8& below) const {
    const D16 d;
    const V16 sum =
        hn::Add(hn::MulFixedPoint15(uv[0], chroma_[i][0]), hn::MulFixedPoint15(uv[1], chroma_[i][1]));
    const V16 whole = hn::MulFixedPoint15(hn::Add(sum, shift_[i]), hn::Set(d, 512));
    const V16 positive = hn::Max(whole, hn::Zero(d));
    above = in_both_bytes(positive);
    below = in_both_bytes(hn::Sub(positive, whole));
  }

  // Of more than 255 the index comes to its end as well.
  static HWY_INLINE V8 in_both_bytes(V16 value) {
    const D16 d;
    return hn::BitCast(DU8(), hn::Mul(hn::Min(value, hn::Set(d, 0xFF)), hn::Set(d, 0x0101)));
  }

  template <class L>
  static HWY_INLINE V8 load_bytes(const uint8_t* from) {
    if constexpr (L::kAcross == 2) {
      return hn::LoadU(DU8(), from);
    } else {
      return hn::BitCast(DU8(), hn::PromoteTo(DU16(), hn::LoadU(DHalf8(), from)));
    }
  }

  VectorTable tables_[3];
  V16 chroma_[3][2], shift_[3], even_[3], odd_[3], add_;
  Affine u_out_, v_out_;
};

void run_curve(const CurvePlan& plan, const VideoFrame& in, const VideoFrame& out) {
  FrameLoop<CurveKernel, CurvePlan>::run_bytes(plan, in, out);
}

}  // namespace
}  // namespace trickle::fx::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trickle::fx {
namespace {

HWY_EXPORT(run_curve);

}  // namespace

void run_curve_kernel(const CurvePlan& plan, const VideoFrame& in, const VideoFrame& out) {
  HWY_DYNAMIC_DISPATCH(run_curve)(plan, in, out);
}

}  // namespace trickle::fx
#endif  // HWY_ONCE
