// A sum over the threads of a block.
#pragma once

#include "gpu/row_norm.h"

namespace glmv::GLMV_BACKEND {

/// The sum over the block, the same in every thread. All threads of the block call it.
__device__ inline float block_sum(float x) {
  GPU_SHARED(float, parts, [kNormThreads / 32]);
  GPU_UNROLL
  for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(0xffffffffu, x, distance);
  __syncthreads();  // the parts of the sum before this one have been read
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
  __syncthreads();
  float total = 0;
  for (unsigned warp = 0; warp < blockDim.x / 32; ++warp) total += parts[warp];
  return total;
}

}  // namespace glmv::GLMV_BACKEND
