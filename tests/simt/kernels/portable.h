// What the test kernels that exist for both vendors need: one runtime header, one error, two shuffles.
#pragma once

#if defined(GLMV_TEST_HIP)
#include <hip/hip_runtime.h>
#define GPU_ERROR_TEXT(e) ((e) == hipSuccess ? nullptr : (static_cast<void>(hipGetLastError()), hipGetErrorString(e)))
#define WARP_XOR(value, lane_mask) __shfl_xor(value, lane_mask)
#else
#include <cuda_runtime.h>
#define GPU_ERROR_TEXT(e) \
  ((e) == cudaSuccess ? nullptr : (static_cast<void>(cudaGetLastError()), cudaGetErrorString(e)))
#define WARP_XOR(value, lane_mask) __shfl_xor_sync(0xffffffffu, value, lane_mask)
#endif

#include "simt/gpu.h"
