#include "fx/yuv_kernel.h"

#include <algorithm>

#include "fx/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fx/yuv_kernel.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fx/fixed_stage-inl.h"
#include "fx/yuv_layout-inl.h"
#include "fx/yuv_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace trickle::fx::HWY_NAMESPACE {
namespace {

HWY_INLINE V16 mean(V16 a, V16 b) {
  const DU16 d;
  return hn::BitCast(D16(), hn::AverageRound(hn::BitCast(d, a), hn::BitCast(d, b)));
}

// What the chroma samples add to one channel of all pixels under them.
struct ChromaTerm {
  V16 u, v, first, second;

  ChromaTerm(const YuvPlan& plan, int i)
      : u(hn::Set(D16(), plan.chroma[i][0])),
        v(hn::Set(D16(), plan.chroma[i][1])),
        first(hn::Set(D16(), plan.add[i][0])),
        second(hn::Set(D16(), plan.add[i][1])) {}

  HWY_INLINE V16 of(const V16 (&uv)[2]) const {
    const V16 sum = hn::SaturatedAdd(hn::MulFixedPoint15(uv[0], u), hn::MulFixedPoint15(uv[1], v));
    return hn::SaturatedAdd(hn::SaturatedAdd(sum, first), second);
  }
};

// The stages after the first, and the end of the last one.
class Rest {
 public:
  explicit Rest(const YuvPlan& plan) : count_(std::min(plan.more.size(), kMostStages)) {
    const WindowEnd* end = &plan.end;
    for (size_t i = 0; i < count_; ++i) {
      ends_[i].set(*end);
      stages_[i].set(plan.more[i]);
      end = &plan.more[i].end;
    }
    ends_[count_].set(*end);
  }
  // Not inline: the layouts would make sixteen copies of it, which take their time to compile and win
  // nothing.
  HWY_NOINLINE void apply(V16 (&rgb)[3]) const {
    for (size_t i = 0; i < count_; ++i) {
      ends_[i].leave_doubled(rgb);
      stages_[i].apply(rgb);
    }
    ends_[count_].leave(rgb);
  }

 private:
  size_t count_;
  VectorStage stages_[kMostStages];
  VectorEnd ends_[kMostStages + 1];
};

// A simple plan has no rest.
struct NoRest {
  explicit NoRest(const YuvPlan& /*plan*/) {}
  HWY_INLINE void apply(V16 (&/*rgb*/)[3]) const {}
};

// One more stage of the plainest kind: see YuvPlan::one_plain_more(). What comes in may be one unit below 0,
// which a product does not show.
class OneMore {
 public:
  explicit OneMore(const YuvPlan& plan) {
    const FixedStage& stage = plan.more.front();
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) matrix_[i][j] = spread(stage.matrix[i][j]);
      bias2_[i] = spread(static_cast<int16_t>(plan.end.bias2[i]));
      add_[i] = spread(stage.add[i][0]);
      floor_[i] = spread(stage.floor[i]);
    }
  }
  HWY_INLINE void apply(V16 (&rgb)[3]) const {
    for (int i = 0; i < 3; ++i) rgb[i] = hn::Sub(hn::Add(rgb[i], rgb[i]), bias2_[i]);
    V16 sums[3] = {rgb[0], rgb[0], rgb[0]};
    for (int i = 0; i < 3; ++i) {
      const V16 red_green = hn::SaturatedAdd(hn::MulFixedPoint15(rgb[0], matrix_[i][0]),
                                             hn::MulFixedPoint15(rgb[1], matrix_[i][1]));
      const V16 products = hn::SaturatedAdd(red_green, hn::MulFixedPoint15(rgb[2], matrix_[i][2]));
      sums[i] = hn::Max(hn::SaturatedAdd(products, add_[i]), floor_[i]);
    }
    for (int i = 0; i < 3; ++i) rgb[i] = sums[i];
  }

 private:
  V16 matrix_[3][3], bias2_[3], add_[3], floor_[3];
};

// kOneLuma: the factors of luma are the same.
template <class Further, bool kOneLuma>
class ColorKernel {
 public:
  explicit ColorKernel(const YuvPlan& plan)
      : flip_(hn::Set(DU16(), plan.luma_flip)),
        luma_{hn::Set(DU16(), plan.luma[0]), hn::Set(DU16(), plan.luma[1]), hn::Set(DU16(), plan.luma[2])},
        terms_{ChromaTerm(plan, 0), ChromaTerm(plan, 1), ChromaTerm(plan, 2)},
        floor_{spread(plan.floor[0]), spread(plan.floor[1]), spread(plan.floor[2])},
        rest_(plan),
        out_{Affine(plan.out[0], plan.out_add[0]), Affine(plan.out[1], plan.out_add[1]),
             Affine(plan.out[2], plan.out_add[2])} {}

  template <class L>
  HWY_INLINE void step(const Rows<L>& in, const Rows<L>& out) const {
    const D16 d;
    V16 uv[2] = {hn::Zero(d), hn::Zero(d)};
    load_chroma<L>(in, uv);
    const V16 terms[3] = {terms_[0].of(uv), terms_[1].of(uv), terms_[2].of(uv)};
    V16 means[2][3] = {{uv[0], uv[0], uv[0]}, {uv[0], uv[0], uv[0]}};
    VU16 luma[2][2] = {{flip_, flip_}, {flip_, flip_}};
    load_luma<L>(in, flip_, luma);
    for (int row = 0; row < L::kDown; ++row) {
      V16 made[2] = {uv[0], uv[0]};
      for (int column = 0; column < L::kAcross; ++column) {
        V16 rgb[3] = {uv[0], uv[0], uv[0]};
        first_stage(luma[row][column], terms, rgb);
        rest_.apply(rgb);
        made[column] = out_[0].of(rgb);
        for (int i = 0; i < 3; ++i) means[row][i] = column == 0 ? rgb[i] : mean(means[row][i], rgb[i]);
      }
      store_luma<L>(made, out.luma[row]);
    }
    if constexpr (L::kChromaKind != Chroma::kNone) {
      if constexpr (L::kDown == 2) {
        for (int i = 0; i < 3; ++i) means[0][i] = mean(means[0][i], means[1][i]);
      }
      // In full range the largest chroma rounds up to 2^bits.
      const V16 highest = hn::Set(d, 0x3FFF);
      store_chroma<L>(hn::Min(out_[1].of(means[0]), highest), hn::Min(out_[2].of(means[0]), highest), out);
    }
  }

 private:
  HWY_INLINE void first_stage(VU16 luma, const V16 (&terms)[3], V16 (&rgb)[3]) const {
    const D16 d;
    V16 y = hn::BitCast(d, hn::MulHigh(luma, luma_[0]));
    for (int i = 0; i < 3; ++i) {
      if (!kOneLuma && i > 0) y = hn::BitCast(d, hn::MulHigh(luma, luma_[i]));
      rgb[i] = hn::Max(hn::SaturatedAdd(y, terms[i]), floor_[i]);
    }
  }

  VU16 flip_, luma_[3];
  ChromaTerm terms_[3];
  V16 floor_[3];
  Further rest_;
  Affine out_[3];
};

class GreyKernel {
 public:
  explicit GreyKernel(const YuvPlan& plan)
      : reads_chroma_(plan.reads_chroma),
        flip_(hn::Set(DU16(), plan.luma_flip)),
        luma_(hn::Set(DU16(), plan.luma[0])),
        term_(plan, 0),
        floor_(hn::Set(D16(), plan.floor[0])),
        add_(hn::Set(D16(), plan.out_add[0])) {}

  template <class L>
  HWY_INLINE void step(const Rows<L>& in, const Rows<L>& out) const {
    const D16 d;
    V16 uv[2] = {hn::Zero(d), hn::Zero(d)};
    if (reads_chroma_) load_chroma<L>(in, uv);
    const V16 term = term_.of(uv);
    VU16 luma[2][2] = {{flip_, flip_}, {flip_, flip_}};
    load_luma<L>(in, flip_, luma);
    for (int row = 0; row < L::kDown; ++row) {
      V16 made[2] = {uv[0], uv[0]};
      for (int column = 0; column < L::kAcross; ++column) {
        const V16 y = hn::BitCast(d, hn::MulHigh(luma[row][column], luma_));
        made[column] = hn::Add(hn::Max(hn::SaturatedAdd(y, term), floor_), add_);
      }
      store_luma<L>(made, out.luma[row]);
    }
    const V16 middle = hn::Set(d, 0x2000);
    store_chroma<L>(middle, middle, out);
  }

 private:
  bool reads_chroma_;
  VU16 flip_, luma_;
  ChromaTerm term_;
  V16 floor_, add_;
};

void run_color(const YuvPlan& plan, const VideoFrame& in, const VideoFrame& out) {
  if (plan.simple()) {
    FrameLoop<ColorKernel<NoRest, true>, YuvPlan>::run(plan, in, out);
  } else if (plan.one_plain_more()) {
    FrameLoop<ColorKernel<OneMore, true>, YuvPlan>::run(plan, in, out);
  } else {
    FrameLoop<ColorKernel<Rest, false>, YuvPlan>::run(plan, in, out);
  }
}

void run_grey(const YuvPlan& plan, const VideoFrame& in, const VideoFrame& out) {
  FrameLoop<GreyKernel, YuvPlan>::run(plan, in, out);
}

}  // namespace
}  // namespace trickle::fx::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trickle::fx {
namespace {

HWY_EXPORT(run_color);
HWY_EXPORT(run_grey);

}  // namespace

void run_yuv_kernel(const YuvPlan& plan, const VideoFrame& in, const VideoFrame& out) {
  if (plan.grey) {
    HWY_DYNAMIC_DISPATCH(run_grey)(plan, in, out);
  } else {
    HWY_DYNAMIC_DISPATCH(run_color)(plan, in, out);
  }
}

}  // namespace trickle::fx
#endif  // HWY_ONCE
