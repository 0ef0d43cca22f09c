// What Highway has no name for: looking up a table of 256 bytes, and sums of neighbouring bytes. Included
// once for each target, inside and outside of foreach_target.h.
#if defined(TRICKLE_FX_BYTE_TABLE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRICKLE_FX_BYTE_TABLE_INL_H
#undef TRICKLE_FX_BYTE_TABLE_INL_H
#else
#define TRICKLE_FX_BYTE_TABLE_INL_H
#endif

#include <hwy/highway.h>

#include "fx/curve_plan.h"
#include "fx/fixed_stage-inl.h"

HWY_BEFORE_NAMESPACE();
namespace trickle::fx::HWY_NAMESPACE {

using V8 = hn::Vec<DU8>;

// In each 16-bit lane the sum of its two unsigned bytes, each times the signed byte of `weights` in its
// place; it must fit.
HWY_INLINE V16 weigh(V8 bytes, V16 weights) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  return V16{_mm512_maddubs_epi16(bytes.raw, weights.raw)};
#elif HWY_TARGET == HWY_AVX2
  return V16{_mm256_maddubs_epi16(bytes.raw, weights.raw)};
#else
  const VU16 pairs = hn::BitCast(DU16(), bytes);
  const V16 first = hn::BitCast(D16(), hn::And(pairs, hn::Set(DU16(), 0xFF)));
  const V16 second = hn::BitCast(D16(), hn::ShiftRight<8>(pairs));
  return hn::Add(hn::Mul(first, hn::ShiftRight<8>(hn::ShiftLeft<8>(weights))),
                 hn::Mul(second, hn::ShiftRight<8>(weights)));
#endif
}

class VectorTable {
 public:
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL

  // Two instructions look up 128 bytes each, by the lower bits.
  HWY_INLINE explicit VectorTable(const ByteTable& table) {
    for (int i = 0; i < 4; ++i) parts_[i] = _mm512_load_si512(table.entries + 64 * i);
  }
  HWY_INLINE V8 of(V8 index) const {
    const __m512i low = _mm512_permutex2var_epi8(parts_[0], index.raw, parts_[1]);
    const __m512i high = _mm512_permutex2var_epi8(parts_[2], index.raw, parts_[3]);
    return V8{_mm512_mask_blend_epi8(_mm512_movepi8_mask(index.raw), low, high)};
  }

 private:
  __m512i parts_[4];

#elif HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

  // 16 bytes at a time, by the lower four bits: 0 where the highest bit is set, as it is in an index below
  // the 16 in hand. What the bytes before them have added, the steps take off again.
  HWY_INLINE explicit VectorTable(const ByteTable& table) : steps_(table.steps) {}
  HWY_INLINE V8 of(V8 index) const {
    const DU8 d;
    const hn::RebindToSigned<DU8> ds;
    V8 sum = hn::Zero(d);
    // Of signed bytes what has gone below 0 stays there.
    auto low = hn::BitCast(ds, index);
    auto high = hn::BitCast(ds, hn::Xor(index, hn::Set(d, 0x80)));
    for (int i = 0; i < 128; i += 16) {
      sum = hn::Xor(sum, hn::TableLookupBytesOr0(hn::LoadDup128(d, steps_ + i), hn::BitCast(d, low)));
      sum = hn::Xor(sum, hn::TableLookupBytesOr0(hn::LoadDup128(d, steps_ + 128 + i), hn::BitCast(d, high)));
      low = hn::SaturatedSub(low, hn::Set(ds, 16));
      high = hn::SaturatedSub(high, hn::Set(ds, 16));
    }
    return sum;
  }

 private:
  const uint8_t* steps_;

#else

  HWY_INLINE explicit VectorTable(const ByteTable& table) : entries_(table.entries) {}
  HWY_INLINE V8 of(V8 index) const {
    const DU8 d;
    HWY_ALIGN uint8_t lanes[hn::MaxLanes(DU8())];
    hn::Store(index, d, lanes);
    for (uint8_t& lane : lanes) lane = entries_[lane];
    return hn::Load(d, lanes);
  }

 private:
  const uint8_t* entries_;

#endif
};

}  // namespace trickle::fx::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
