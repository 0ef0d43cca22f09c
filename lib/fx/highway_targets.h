// Which processors the kernels are compiled for. Include before hwy/foreach_target.h.
//
// Those left out gain nothing over the next one below (what they add is not used), or have vectors without a
// size known to the compiler, which can't be kept in arrays; there NEON is used.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Each target takes a minute to compile with sanitizers: the widest common one and the fallback show all
// there is to see.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#elif defined(HWY_WANT_AVX3_DL)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#else
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#endif

// The fallback that needs no vector instructions at all works on arrays of 16 bytes. Highway replaces it by
// one lane for GCC below 12.3, whose vectorizer makes wrong code of it (GCC bug 106322): these files are
// compiled without that vectorizer instead, and the tests compare the targets' results bit by bit.
#define HWY_BROKEN_EMU128 0
