// The words of the language that a plain C++ compiler does not know.
#pragma once

#include "simt/engine.h"
#include "simt/facade/common/vector_types.h"

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the vendors'
#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) alignas(bytes)
// Shared memory must be declared so that both worlds understand it: GPU_SHARED and GPU_DYNAMIC_SHARED of simt/gpu.h.
#define __shared__ write_GPU_SHARED_instead_of__shared__
// NOLINTEND(bugprone-reserved-identifier)

#define threadIdx (::glmv::simt::this_thread().thread_index)
#define blockIdx (::glmv::simt::this_thread().block_index)
#define blockDim (::glmv::simt::this_thread().block_dim)
#define gridDim (::glmv::simt::this_thread().grid_dim)

// "Called from here", the last parameter of everything that a report may name.
#define GLMV_SIMT_HERE ::glmv::simt::Place place = {__builtin_FILE(), __builtin_LINE()}

inline namespace glmv_simt_facade {

/// Not a macro: device properties have a member of that name.
struct WarpSize {
  operator int() const {  // NOLINT(google-explicit-constructor): used as an int
    return ::glmv::simt::g_current_thread != nullptr ? static_cast<int>(::glmv::simt::this_thread().warp_width) : 32;
  }
};
inline constexpr WarpSize warpSize = {};

}  // namespace glmv_simt_facade
