// CUDA's warp intrinsics with their explicit masks.
#pragma once

#include "simt/facade/common/qualifiers.h"
#include "simt/facade/common/shuffle_bits.h"

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the vendor's
inline namespace glmv_simt_facade {

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = warpSize, GLMV_SIMT_HERE) {
  return shuffle(::glmv::simt::Shuffle::index, value, static_cast<unsigned>(lane), width, mask, place);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize, GLMV_SIMT_HERE) {
  return shuffle(::glmv::simt::Shuffle::up, value, delta, width, mask, place);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize, GLMV_SIMT_HERE) {
  return shuffle(::glmv::simt::Shuffle::down, value, delta, width, mask, place);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize, GLMV_SIMT_HERE) {
  return shuffle(::glmv::simt::Shuffle::exclusive_or, value, static_cast<unsigned>(lane_mask), width, mask, place);
}

inline unsigned __ballot_sync(unsigned mask, int flag, GLMV_SIMT_HERE) {
  return static_cast<unsigned>(::glmv::simt::warp_vote(::glmv::simt::Vote::ballot, flag != 0, mask, place));
}
inline int __any_sync(unsigned mask, int flag, GLMV_SIMT_HERE) {
  return static_cast<int>(::glmv::simt::warp_vote(::glmv::simt::Vote::any, flag != 0, mask, place));
}
inline int __all_sync(unsigned mask, int flag, GLMV_SIMT_HERE) {
  return static_cast<int>(::glmv::simt::warp_vote(::glmv::simt::Vote::all, flag != 0, mask, place));
}
inline void __syncwarp(unsigned mask = 0xffffffffu, GLMV_SIMT_HERE) { ::glmv::simt::warp_barrier(mask, place); }

/// Which lanes run together with the caller is not defined; the emulator says "only you", the answer a kernel that
/// relies on more can least live with.
inline unsigned __activemask() { return 1u << ::glmv::simt::this_thread().lane; }

template <class T>
unsigned __match_any_sync(unsigned mask, T value, GLMV_SIMT_HERE) {
  return static_cast<unsigned>(::glmv::simt::warp_match_any(bits_of_value(value), mask, place));
}

#define GLMV_SIMT_REDUCE(name, kind_signed, kind_unsigned)                                                        \
  inline int name(unsigned mask, int value, GLMV_SIMT_HERE) {                                                     \
    return static_cast<int>(                                                                                      \
        ::glmv::simt::warp_reduce(::glmv::simt::Reduce::kind_signed, static_cast<uint32_t>(value), mask, place)); \
  }                                                                                                               \
  inline unsigned name(unsigned mask, unsigned value, GLMV_SIMT_HERE) {                                           \
    return ::glmv::simt::warp_reduce(::glmv::simt::Reduce::kind_unsigned, value, mask, place);                    \
  }
GLMV_SIMT_REDUCE(__reduce_add_sync, add, add)
GLMV_SIMT_REDUCE(__reduce_min_sync, min_signed, min_unsigned)
GLMV_SIMT_REDUCE(__reduce_max_sync, max_signed, max_unsigned)
#undef GLMV_SIMT_REDUCE
#define GLMV_SIMT_REDUCE(name, kind)                                                  \
  inline unsigned name(unsigned mask, unsigned value, GLMV_SIMT_HERE) {               \
    return ::glmv::simt::warp_reduce(::glmv::simt::Reduce::kind, value, mask, place); \
  }
GLMV_SIMT_REDUCE(__reduce_and_sync, bit_and)
GLMV_SIMT_REDUCE(__reduce_or_sync, bit_or)
GLMV_SIMT_REDUCE(__reduce_xor_sync, bit_xor)
#undef GLMV_SIMT_REDUCE

}  // namespace glmv_simt_facade
// NOLINTEND(bugprone-reserved-identifier)
