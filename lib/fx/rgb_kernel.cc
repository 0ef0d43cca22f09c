#include "fx/rgb_kernel.h"

#include <algorithm>
#include <cstring>

#include "fx/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fx/rgb_kernel.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fx/fixed_stage-inl.h"

HWY_BEFORE_NAMESPACE();
namespace trickle::fx::HWY_NAMESPACE {
namespace {

constexpr size_t kMostLanes8 = hn::MaxLanes(DU8());

// The maps of the bytes of a row one after another, for as many bytes as are a whole number of pixels and of
// vectors.
struct Pattern {
  HWY_ALIGN uint8_t flip[3 * kMostLanes8];
  HWY_ALIGN uint8_t add[3 * kMostLanes8];
  HWY_ALIGN uint8_t subtract[3 * kMostLanes8];
  HWY_ALIGN uint8_t low[3 * kMostLanes8];
  HWY_ALIGN uint8_t high[3 * kMostLanes8];

  explicit Pattern(std::span<const ByteMap> maps) {
    for (size_t i = 0; i < 3 * kMostLanes8; ++i) {
      const ByteMap& map = maps[i % maps.size()];
      flip[i] = map.flip;
      add[i] = map.add;
      subtract[i] = map.subtract;
      low[i] = map.low;
      high[i] = map.high;
    }
  }
};

HWY_INLINE void map_vector(const Pattern& pattern, size_t phase, const uint8_t* in, uint8_t* out) {
  const DU8 d;
  const auto flipped = hn::Xor(hn::LoadU(d, in), hn::LoadU(d, pattern.flip + phase));
  const auto moved = hn::SaturatedSub(hn::SaturatedAdd(flipped, hn::LoadU(d, pattern.add + phase)),
                                      hn::LoadU(d, pattern.subtract + phase));
  const auto limited =
      hn::Min(hn::Max(moved, hn::LoadU(d, pattern.low + phase)), hn::LoadU(d, pattern.high + phase));
  hn::StoreU(limited, d, out);
}

void map_row(const Pattern& pattern, const uint8_t* in, uint8_t* out, size_t size_bytes) {
  const size_t lanes = hn::Lanes(DU8());
  size_t phase = 0;
  size_t x = 0;
  for (; x + lanes <= size_bytes; x += lanes) {
    map_vector(pattern, phase, in + x, out + x);
    phase = phase == 2 * lanes ? 0 : phase + lanes;
  }
  if (x == size_bytes) return;
  HWY_ALIGN uint8_t rest[kMostLanes8] = {};
  std::memcpy(rest, in + x, size_bytes - x);
  map_vector(pattern, phase, rest, rest);
  std::memcpy(out + x, rest, size_bytes - x);
}

void map_plane(std::span<const ByteMap> maps, const VideoFrame& in, const VideoFrame& out, size_t plane) {
  const Pattern pattern(maps);
  const size_t row_bytes = plane_row_bytes(in.format, static_cast<int>(plane), in.width);
  for (int row = 0; row < in.height; ++row) {
    map_row(pattern, in.planes[plane].data + row * in.planes[plane].stride_bytes,
            out.planes[plane].data + row * out.planes[plane].stride_bytes, row_bytes);
  }
}

void map_bytes(const ByteMaps& maps, const VideoFrame& in, const VideoFrame& out) {
  const auto& [red, green, blue] = maps;
  switch (in.format) {
    case PixelFormat::kRgb24:
      return map_plane(std::array{red, green, blue}, in, out, 0);
    case PixelFormat::kRgba:
      return map_plane(std::array{red, green, blue, ByteMap{}}, in, out, 0);
    case PixelFormat::kBgra:
      return map_plane(std::array{blue, green, red, ByteMap{}}, in, out, 0);
    case PixelFormat::kGbrp:
      map_plane(std::array{green}, in, out, 0);
      map_plane(std::array{blue}, in, out, 1);
      return map_plane(std::array{red}, in, out, 2);
    default:
      return;
  }
}

// Pixels in memory and as vectors of bytes, red first; the fourth is alpha.
using V8 = hn::Vec<DU8>;

struct Packed3 {
  static constexpr size_t kBytes = 3;
  static constexpr size_t kPlanes = 1;
  static HWY_INLINE void load(const uint8_t* const (&from)[3], V8 (&rgba)[4]) {
    hn::LoadInterleaved3(DU8(), from[0], rgba[0], rgba[1], rgba[2]);
  }
  static HWY_INLINE void store(const V8 (&rgba)[4], uint8_t* const (&to)[3]) {
    hn::StoreInterleaved3(rgba[0], rgba[1], rgba[2], DU8(), to[0]);
  }
};

template <size_t kRed>
struct Packed4 {
  static constexpr size_t kBytes = 4;
  static constexpr size_t kPlanes = 1;
  static constexpr size_t kBlue = 2 - kRed;
  static HWY_INLINE void load(const uint8_t* const (&from)[3], V8 (&rgba)[4]) {
    hn::LoadInterleaved4(DU8(), from[0], rgba[kRed], rgba[1], rgba[kBlue], rgba[3]);
  }
  static HWY_INLINE void store(const V8 (&rgba)[4], uint8_t* const (&to)[3]) {
    hn::StoreInterleaved4(rgba[kRed], rgba[1], rgba[kBlue], rgba[3], DU8(), to[0]);
  }
};

struct PlanarGbr {
  static constexpr size_t kBytes = 1;
  static constexpr size_t kPlanes = 3;
  static HWY_INLINE void load(const uint8_t* const (&from)[3], V8 (&rgba)[4]) {
    const DU8 d;
    rgba[1] = hn::LoadU(d, from[0]);
    rgba[2] = hn::LoadU(d, from[1]);
    rgba[0] = hn::LoadU(d, from[2]);
  }
  static HWY_INLINE void store(const V8 (&rgba)[4], uint8_t* const (&to)[3]) {
    const DU8 d;
    hn::StoreU(rgba[1], d, to[0]);
    hn::StoreU(rgba[2], d, to[1]);
    hn::StoreU(rgba[0], d, to[2]);
  }
};

// All stages on doubled values; what comes out is in units of 1/128 sample, rounded by half a sample.
class Stages {
 public:
  explicit Stages(std::span<const FixedStage> plan) : count_(std::min(plan.size(), kMostStages)) {
    for (size_t i = 0; i < count_; ++i) {
      stages_[i].set(plan[i]);
      ends_[i].set(plan[i].end);
    }
  }
  HWY_INLINE void apply(V16 (&rgb)[3]) const {
    for (size_t i = 0; i < count_; ++i) {
      stages_[i].apply(rgb);
      ends_[i].leave_doubled(rgb);
    }
    for (auto& channel : rgb) channel = hn::Add(channel, spread(64));
  }

 private:
  size_t count_;
  VectorStage stages_[kMostStages];
  VectorEnd ends_[kMostStages];
};

template <class P>
HWY_INLINE void step(const Stages& stages, const uint8_t* const (&in)[3], uint8_t* const (&out)[3]) {
  const DU8 d8;
  const DU16 du;
  const D16 d;
  const V8 zero = hn::Zero(d8);
  V8 rgba[4] = {zero, zero, zero, zero};
  P::load(in, rgba);
  V16 even[3] = {hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  V16 odd[3] = {even[0], even[1], even[2]};
  for (int i = 0; i < 3; ++i) {
    const VU16 both = hn::BitCast(du, rgba[i]);
    even[i] = hn::BitCast(d, hn::ShiftRight<1>(hn::ShiftLeft<8>(both)));
    odd[i] = hn::BitCast(d, hn::ShiftLeft<7>(hn::ShiftRight<8>(both)));
  }
  stages.apply(even);
  stages.apply(odd);
  for (int i = 0; i < 3; ++i) {
    const VU16 low = hn::ShiftRight<7>(hn::BitCast(du, even[i]));
    const VU16 high = hn::And(hn::ShiftLeft<1>(hn::BitCast(du, odd[i])), hn::Set(du, 0xFF00));
    rgba[i] = hn::BitCast(d8, hn::Or(low, high));
  }
  P::store(rgba, out);
}

template <class P>
void stage_row(const Stages& stages, const uint8_t* const (&in)[3], uint8_t* const (&out)[3], size_t width) {
  const size_t lanes = hn::Lanes(DU8());
  size_t x = 0;
  for (; x + lanes <= width; x += lanes) {
    const size_t at = x * P::kBytes;
    step<P>(stages, {in[0] + at, in[1] + at, in[2] + at}, {out[0] + at, out[1] + at, out[2] + at});
  }
  if (x == width) return;
  HWY_ALIGN uint8_t rest[3][4 * kMostLanes8] = {};
  const size_t at = x * P::kBytes;
  const size_t rest_bytes = (width - x) * P::kBytes;
  for (size_t plane = 0; plane < P::kPlanes; ++plane) std::memcpy(rest[plane], in[plane] + at, rest_bytes);
  step<P>(stages, {rest[0], rest[1], rest[2]}, {rest[0], rest[1], rest[2]});
  for (size_t plane = 0; plane < P::kPlanes; ++plane) std::memcpy(out[plane] + at, rest[plane], rest_bytes);
}

template <class P>
void stage_frame(std::span<const FixedStage> stages, const VideoFrame& in, const VideoFrame& out) {
  const Stages vectors(stages);
  for (int row = 0; row < in.height; ++row) {
    const uint8_t* from[3] = {};
    uint8_t* to[3] = {};
    for (size_t plane = 0; plane < 3; ++plane) {
      const size_t real = std::min(plane, P::kPlanes - 1);
      from[plane] = in.planes[real].data + row * in.planes[real].stride_bytes;
      to[plane] = out.planes[real].data + row * out.planes[real].stride_bytes;
    }
    stage_row<P>(vectors, from, to, static_cast<size_t>(in.width));
  }
}

void run_stages(std::span<const FixedStage> stages, const VideoFrame& in, const VideoFrame& out) {
  switch (in.format) {
    case PixelFormat::kRgb24:
      return stage_frame<Packed3>(stages, in, out);
    case PixelFormat::kRgba:
      return stage_frame<Packed4<0>>(stages, in, out);
    case PixelFormat::kBgra:
      return stage_frame<Packed4<2>>(stages, in, out);
    case PixelFormat::kGbrp:
      return stage_frame<PlanarGbr>(stages, in, out);
    default:
      return;
  }
}

}  // namespace
}  // namespace trickle::fx::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trickle::fx {
namespace {

HWY_EXPORT(map_bytes);
HWY_EXPORT(run_stages);

}  // namespace

void run_byte_kernel(const ByteMaps& maps, const VideoFrame& in, const VideoFrame& out) {
  HWY_DYNAMIC_DISPATCH(map_bytes)(maps, in, out);
}

void run_rgb_kernel(std::span<const FixedStage> stages, const VideoFrame& in, const VideoFrame& out) {
  HWY_DYNAMIC_DISPATCH(run_stages)(stages, in, out);
}

}  // namespace trickle::fx
#endif  // HWY_ONCE
