// A barrier of the lanes of an AMD wave, for what they tell each other through shared memory: HIP has no word for it.
#pragma once

#if defined(__HIPCC__)

namespace glmv {
__device__ __forceinline__ void wave_barrier() {
  __builtin_amdgcn_fence(__ATOMIC_ACQ_REL, "wavefront");
  __builtin_amdgcn_wave_barrier();
}
}  // namespace glmv

#elif defined(__CUDACC__)

namespace glmv {
__device__ __forceinline__ void wave_barrier() { __syncwarp(); }
}  // namespace glmv

#else

#include "simt/facade/common/qualifiers.h"
#include "simt/warp.h"

namespace glmv {
inline void wave_barrier(GLMV_SIMT_HERE) { simt::warp_barrier(simt::this_thread().warp_lanes, place); }
}  // namespace glmv

#endif
