// HIP's warp intrinsics: no masks, all lanes of the wave take part.
#pragma once

#include "simt/facade/common/qualifiers.h"
#include "simt/facade/common/shuffle_bits.h"

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the vendor's
inline namespace glmv_simt_facade {

inline uint64_t whole_wave() { return ::glmv::simt::this_thread().warp_lanes; }

template <class T>
T __shfl(T value, int lane, int width = warpSize, GLMV_SIMT_HERE) {
  return shuffle(::glmv::simt::Shuffle::index, value, static_cast<unsigned>(lane), width, whole_wave(), place);
}
template <class T>
T __shfl_up(T value, unsigned delta, int width = warpSize, GLMV_SIMT_HERE) {
  return shuffle(::glmv::simt::Shuffle::up, value, delta, width, whole_wave(), place);
}
template <class T>
T __shfl_down(T value, unsigned delta, int width = warpSize, GLMV_SIMT_HERE) {
  return shuffle(::glmv::simt::Shuffle::down, value, delta, width, whole_wave(), place);
}
template <class T>
T __shfl_xor(T value, int lane_mask, int width = warpSize, GLMV_SIMT_HERE) {
  return shuffle(::glmv::simt::Shuffle::exclusive_or, value, static_cast<unsigned>(lane_mask), width, whole_wave(),
                 place);
}

inline unsigned long long __ballot(int flag, GLMV_SIMT_HERE) {
  return ::glmv::simt::warp_vote(::glmv::simt::Vote::ballot, flag != 0, whole_wave(), place);
}
inline int __any(int flag, GLMV_SIMT_HERE) {
  return static_cast<int>(::glmv::simt::warp_vote(::glmv::simt::Vote::any, flag != 0, whole_wave(), place));
}
inline int __all(int flag, GLMV_SIMT_HERE) {
  return static_cast<int>(::glmv::simt::warp_vote(::glmv::simt::Vote::all, flag != 0, whole_wave(), place));
}

}  // namespace glmv_simt_facade
// NOLINTEND(bugprone-reserved-identifier)
