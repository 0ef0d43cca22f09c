#include "fx/yuv_kernel.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "fx/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fx/yuv_kernel.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fx/fixed_stage-inl.h"
#include "fx/yuv_layout-inl.h"

HWY_BEFORE_NAMESPACE();
namespace trickle::fx::HWY_NAMESPACE {
namespace {

HWY_INLINE V16 mean(V16 a, V16 b) {
  const DU16 d;
  return hn::BitCast(D16(), hn::AverageRound(hn::BitCast(d, a), hn::BitCast(d, b)));
}

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

// kSimple: see YuvPlan::simple().
template <bool kSimple>
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
      if (!kSimple && i > 0) y = hn::BitCast(d, hn::MulHigh(luma, luma_[i]));
      rgb[i] = hn::Max(hn::SaturatedAdd(y, terms[i]), floor_[i]);
    }
  }

  VU16 flip_, luma_[3];
  ChromaTerm terms_[3];
  V16 floor_[3];
  std::conditional_t<kSimple, NoRest, Rest> rest_;
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

template <class Kernel>
struct FrameLoop {
  template <class L>
  static HWY_NOINLINE void row(const YuvPlan& plan, const Rows<L>& in, const Rows<L>& out, size_t width) {
    const Kernel kernel(plan);
    const size_t step_cells = hn::Lanes(D16());
    const size_t whole = width / (step_cells * L::kAcross) * step_cells;
    for (size_t cell = 0; cell < whole; cell += step_cells) {
      kernel.template step<L>(in.at(cell), out.at(cell));
    }
    const size_t done = whole * L::kAcross;
    if (done < width) tail<L>(plan, in.at(whole), out.at(whole), width - done);
  }

  // The last cells of a row, fewer than a vector holds: by way of padded buffers, so that nothing is read or
  // written beyond the row. Columns beyond an odd width repeat the last one, which leaves the mean as it is.
  template <class L>
  static HWY_NOINLINE void tail(const YuvPlan& plan, const Rows<L>& in, const Rows<L>& out, size_t columns) {
    using T = typename L::Type;
    HWY_ALIGN T buffer[4][2 * hn::MaxLanes(D16())] = {};
    const size_t cells = (columns + L::kAcross - 1) / L::kAcross;
    const Rows<L> padded{{buffer[0], buffer[1]}, {buffer[2], buffer[3]}};
    for (int r = 0; r < L::kDown; ++r) {
      std::memcpy(buffer[r], in.luma[r], columns * sizeof(T));
      std::fill(buffer[r] + columns, buffer[r] + cells * L::kAcross, buffer[r][columns - 1]);
    }
    for (int plane = 1; plane < L::kPlanes; ++plane) {
      std::memcpy(buffer[plane + 1], in.chroma[plane - 1], cells * L::kChromaTypes * sizeof(T));
    }
    // A row of one step, which has no tail of its own.
    row<L>(plan, padded, padded, hn::Lanes(D16()) * L::kAcross);
    for (int r = 0; r < L::kDown; ++r) std::memcpy(out.luma[r], buffer[r], columns * sizeof(T));
    for (int plane = 1; plane < L::kPlanes; ++plane) {
      std::memcpy(out.chroma[plane - 1], buffer[plane + 1], cells * L::kChromaTypes * sizeof(T));
    }
  }

  template <class L>
  static Rows<L> rows_of(const VideoFrame& frame, int y) {
    using T = typename L::Type;
    const auto row_of = [&](size_t plane, int index) {
      return reinterpret_cast<T*>(frame.planes[plane].data + index * frame.planes[plane].stride_bytes);
    };
    Rows<L> rows{};
    rows.luma[0] = row_of(0, y);
    // Below an odd height the last row is its own neighbour: read twice, written twice with the same.
    rows.luma[1] = row_of(0, std::min(y + L::kDown - 1, frame.height - 1));
    for (size_t plane = 1; plane < L::kPlanes; ++plane) rows.chroma[plane - 1] = row_of(plane, y / L::kDown);
    return rows;
  }

  template <class L>
  static void frame(const YuvPlan& plan, const VideoFrame& in, const VideoFrame& out) {
    for (int y = 0; y < in.height; y += L::kDown) {
      row<L>(plan, rows_of<L>(in, y), rows_of<L>(out, y), static_cast<size_t>(in.width));
    }
  }

  static void run(const YuvPlan& plan, const VideoFrame& in, const VideoFrame& out) {
    switch (in.format) {
      case PixelFormat::kYuv420p:
        return frame<Layout<Samples8, 2, 2, Chroma::kPlanar>>(plan, in, out);
      case PixelFormat::kYuv422p:
        return frame<Layout<Samples8, 2, 1, Chroma::kPlanar>>(plan, in, out);
      case PixelFormat::kYuv444p:
        return frame<Layout<Samples8, 1, 1, Chroma::kPlanar>>(plan, in, out);
      case PixelFormat::kYuv420p10:
        return frame<Layout<Samples10, 2, 2, Chroma::kPlanar>>(plan, in, out);
      case PixelFormat::kYuv422p10:
        return frame<Layout<Samples10, 2, 1, Chroma::kPlanar>>(plan, in, out);
      case PixelFormat::kYuv444p10:
        return frame<Layout<Samples10, 1, 1, Chroma::kPlanar>>(plan, in, out);
      case PixelFormat::kNv12:
        return frame<Layout<Samples8, 2, 2, Chroma::kInterleaved>>(plan, in, out);
      case PixelFormat::kGray8:
        return frame<Layout<Samples8, 2, 1, Chroma::kNone>>(plan, in, out);
      default:
        return;
    }
  }
};

void run_color(const YuvPlan& plan, const VideoFrame& in, const VideoFrame& out) {
  if (plan.simple()) {
    FrameLoop<ColorKernel<true>>::run(plan, in, out);
  } else {
    FrameLoop<ColorKernel<false>>::run(plan, in, out);
  }
}

void run_grey(const YuvPlan& plan, const VideoFrame& in, const VideoFrame& out) {
  FrameLoop<GreyKernel>::run(plan, in, out);
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
