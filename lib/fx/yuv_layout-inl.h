// How the samples of YUV pictures lie in memory, and what they are in vectors. Included once for each target,
// inside and outside of foreach_target.h.
#if defined(TRICKLE_FX_YUV_LAYOUT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRICKLE_FX_YUV_LAYOUT_INL_H
#undef TRICKLE_FX_YUV_LAYOUT_INL_H
#else
#define TRICKLE_FX_YUV_LAYOUT_INL_H
#endif

#include <hwy/highway.h>

#include "fx/fixed_stage-inl.h"

HWY_BEFORE_NAMESPACE();
namespace trickle::fx::HWY_NAMESPACE {

// One step of a kernel makes as many chroma samples as a vector of 16-bit lanes holds, and the luma samples
// under them. With horizontal subsampling the even and the odd ones of a row are in vectors of their own.

// Samples of 8 bits, in memory and as sample << 8 in lanes.
struct Samples8 {
  using Type = uint8_t;

  static HWY_INLINE VU16 load(const uint8_t* from) {
    return hn::ShiftLeft<8>(hn::PromoteTo(DU16(), hn::LoadU(DHalf8(), from)));
  }
  static HWY_INLINE void load_pairs(const uint8_t* from, VU16& even, VU16& odd) {
    const DU16 d;
    const VU16 both = hn::BitCast(d, hn::LoadU(DU8(), from));
    even = hn::ShiftLeft<8>(both);
    odd = hn::And(both, hn::Set(d, 0xFF00));
  }
  static HWY_INLINE void store(V16 value, uint8_t* to) {
    hn::StoreU(hn::DemoteTo(DHalf8(), hn::ShiftRight<6>(value)), DHalf8(), to);
  }
  static HWY_INLINE void store_pairs(V16 even, V16 odd, uint8_t* to) {
    const DU16 d;
    const VU16 low = hn::ShiftRight<6>(hn::BitCast(d, even));
    const VU16 high = hn::And(hn::ShiftLeft<2>(hn::BitCast(d, odd)), hn::Set(d, 0xFF00));
    hn::StoreU(hn::BitCast(DU8(), hn::Or(low, high)), DU8(), to);
  }
};

// Samples of 10 bits in the low bits of 16, and as sample << 6 in lanes. Stray high bits fall out.
struct Samples10 {
  using Type = uint16_t;

  static HWY_INLINE VU16 load(const uint16_t* from) { return hn::ShiftLeft<6>(hn::LoadU(DU16(), from)); }
  static HWY_INLINE void load_pairs(const uint16_t* from, VU16& even, VU16& odd) {
    hn::LoadInterleaved2(DU16(), from, even, odd);
    even = hn::ShiftLeft<6>(even);
    odd = hn::ShiftLeft<6>(odd);
  }
  static HWY_INLINE void store(V16 value, uint16_t* to) {
    const DU16 d;
    hn::StoreU(hn::ShiftRight<4>(hn::BitCast(d, value)), d, to);
  }
  static HWY_INLINE void store_pairs(V16 even, V16 odd, uint16_t* to) {
    const DU16 d;
    hn::StoreInterleaved2(hn::ShiftRight<4>(hn::BitCast(d, even)), hn::ShiftRight<4>(hn::BitCast(d, odd)), d,
                          to);
  }
};

enum class Chroma { kPlanar, kInterleaved, kNone };

template <class SamplesType, int kHorizontal, int kVertical, Chroma kChroma>
struct Layout {
  using Samples = SamplesType;
  using Type = typename Samples::Type;
  static constexpr int kAcross = kHorizontal;  // Luma samples to a chroma sample.
  static constexpr int kDown = kVertical;
  static constexpr Chroma kChromaKind = kChroma;
  static constexpr int kPlanes = kChroma == Chroma::kPlanar ? 3 : kChroma == Chroma::kInterleaved ? 2 : 1;
  static constexpr int kChromaTypes = kChroma == Chroma::kInterleaved ? 2 : 1;  // Values to a chroma sample.
};

// Where one step reads or writes: kDown rows of luma, then chroma.
template <class L>
struct Rows {
  typename L::Type* luma[2];
  typename L::Type* chroma[2];

  HWY_INLINE Rows at(size_t cell) const {
    return {{luma[0] + cell * L::kAcross, luma[1] + cell * L::kAcross},
            {chroma[0] + cell * L::kChromaTypes, chroma[1] + cell * L::kChromaTypes}};
  }
};

// All rows before any is stored: below an odd height both are the same.
template <class L>
HWY_INLINE void load_luma(const Rows<L>& rows, VU16 flip, VU16 (&luma)[2][2]) {
  for (int row = 0; row < L::kDown; ++row) {
    if constexpr (L::kAcross == 2) {
      L::Samples::load_pairs(rows.luma[row], luma[row][0], luma[row][1]);
      luma[row][1] = hn::Xor(luma[row][1], flip);
    } else {
      luma[row][0] = L::Samples::load(rows.luma[row]);
    }
    luma[row][0] = hn::Xor(luma[row][0], flip);
  }
}

template <class L>
HWY_INLINE void store_luma(const V16 (&luma)[2], typename L::Type* to) {
  if constexpr (L::kAcross == 2) {
    L::Samples::store_pairs(luma[0], luma[1], to);
  } else {
    L::Samples::store(luma[0], to);
  }
}

template <class L>
HWY_INLINE void load_chroma(const Rows<L>& rows, V16 (&uv)[2]) {
  const DU16 d;
  const D16 ds;
  const VU16 middle = hn::Set(d, 0x8000);
  VU16 u = middle;
  VU16 v = middle;
  if constexpr (L::kChromaKind == Chroma::kPlanar) {
    u = L::Samples::load(rows.chroma[0]);
    v = L::Samples::load(rows.chroma[1]);
  } else if constexpr (L::kChromaKind == Chroma::kInterleaved) {
    L::Samples::load_pairs(rows.chroma[0], u, v);
  }
  uv[0] = hn::BitCast(ds, hn::Xor(u, middle));
  uv[1] = hn::BitCast(ds, hn::Xor(v, middle));
}

template <class L>
HWY_INLINE void store_chroma(V16 u, V16 v, const Rows<L>& rows) {
  if constexpr (L::kChromaKind == Chroma::kPlanar) {
    L::Samples::store(u, rows.chroma[0]);
    L::Samples::store(v, rows.chroma[1]);
  } else if constexpr (L::kChromaKind == Chroma::kInterleaved) {
    L::Samples::store_pairs(u, v, rows.chroma[0]);
  }
}

}  // namespace trickle::fx::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
