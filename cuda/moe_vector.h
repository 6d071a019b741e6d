// Sums over a warp, and eight neighbours at a time: what the MoE kernels without mma.sync are made of.
#pragma once

#include "gpu/eight.h"

namespace glmv::GLMV_BACKEND {

constexpr int kLanes = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

/// The sum of all lanes' values, the same in every lane; its order is fixed.
__device__ inline float warp_sum(float value) {
  GPU_UNROLL
  for (int step = kLanes / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

}  // namespace glmv::GLMV_BACKEND
