// For waves of a block that take turns with the matrix units.
//
// phase_barrier is a barrier of the whole block, and orders memory as __syncthreads does; but a wave's n-th meets the
// others' n-th wherever in the program they stand, so one group of waves can be a phase behind another. Nothing is
// moved across it by the compiler's scheduler: phases stay what they are in the source.
#pragma once

#if defined(__HIPCC__)

namespace glmv {

__device__ __forceinline__ void phase_barrier() {
  __builtin_amdgcn_sched_barrier(0);
  __syncthreads();
  __builtin_amdgcn_sched_barrier(0);
}
/// Of the wave among those of its unit, 0 to 3.
template <int Priority>
__device__ __forceinline__ void set_priority() {
  __builtin_amdgcn_s_setprio(Priority);
}
/// x, which is the same in all lanes; the compiler knows it then, and a branch on it is one of the whole wave.
__device__ __forceinline__ int wave_uniform(int x) { return __builtin_amdgcn_readfirstlane(x); }

}  // namespace glmv

#elif defined(__CUDACC__)

namespace glmv {
__device__ __forceinline__ void phase_barrier() { asm volatile("bar.sync 0;" ::: "memory"); }
template <int Priority>
__device__ __forceinline__ void set_priority() {}
__device__ __forceinline__ int wave_uniform(int x) { return x; }
}  // namespace glmv

#else

#include "simt/engine.h"
#include "simt/facade/common/qualifiers.h"

namespace glmv {
inline void phase_barrier(GLMV_SIMT_HERE) { simt::block_barrier_anywhere("phase_barrier", place); }
template <int Priority>
inline void set_priority() {}
inline int wave_uniform(int x) { return x; }
}  // namespace glmv

#endif
