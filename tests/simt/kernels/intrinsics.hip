// HIP's warp intrinsics, each once.
#include "tests/simt/kernels/intrinsics.h"

#include <hip/hip_runtime.h>

#include "simt/gpu.h"

GLMV_DECLARE_HIP_INTRINSICS(GLMV_BACKEND)

namespace glmv::GLMV_BACKEND {
namespace {

__global__ void warp_kernel(const int* values, int argument, HipWarpResults* results) {
  const int v = values[threadIdx.x];
  HipWarpResults r;
  r.index = __shfl(v, argument);
  r.up = __shfl_up(v, argument);
  r.down = __shfl_down(v, argument);
  r.exclusive_or = __shfl_xor(v, argument);
  r.down_of_16 = __shfl_down(v, argument, 16);
  r.ballot = __ballot(v % 3 == 0);
  r.any = __any(v % 3 == 0);
  r.all = __all(v % 3 == 0);
  results[threadIdx.x] = r;
}

}  // namespace

const char* hip_warp(const int* values, int argument, HipWarpResults* results, int threads) {
  const hipError_t e = gpu_launch(warp_kernel, 1, threads, 0, nullptr, values, argument, results);
  return e == hipSuccess ? nullptr : hipGetErrorString(e);
}

}  // namespace glmv::GLMV_BACKEND
