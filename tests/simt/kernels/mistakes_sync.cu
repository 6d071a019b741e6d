// Mistakes of synchronisation that a plain run finds. "// @word" marks the line a report must name.
#include <cuda_runtime.h>

#include "simt/gpu.h"
#include "simt/ptx.h"
#include "tests/simt/kernels/mistakes.h"

GLMV_DECLARE_MISTAKES(GLMV_BACKEND, sync_mistakes)

namespace glmv::GLMV_BACKEND {
namespace {

constexpr unsigned kAll = 0xffffffffu;

__global__ void barrier_in_branch_kernel(float* data) {
  if (threadIdx.x < 32) {
    __syncthreads();  // @barrier_in_branch
    data[threadIdx.x] = 1;
  }
}

__global__ void two_barriers_kernel(float* data) {
  // NOLINTNEXTLINE(bugprone-branch-clone): that is the mistake
  if (threadIdx.x < 32) {
    __syncthreads();  // @two_barriers.first
  } else {
    __syncthreads();  // @two_barriers.second
  }
  data[threadIdx.x] = 1;
}

__global__ void early_return_kernel(float* data) {
  if (threadIdx.x >= 100) return;
  data[threadIdx.x] = 1;
  __syncthreads();  // @early_return
  data[threadIdx.x] += data[threadIdx.x ^ 1];
}

__global__ void shuffle_in_branch_kernel(float* data) {
  float x = data[threadIdx.x];
  if (threadIdx.x < 16) x += __shfl_xor_sync(kAll, x, 1);  // @shuffle_in_branch
  data[threadIdx.x] = x;
}

__global__ void barrier_against_shuffle_kernel(float* data) {
  float x = data[threadIdx.x];
  if (threadIdx.x < 16) {
    x += __shfl_xor_sync(kAll, x, 1);  // @barrier_against_shuffle.shuffle
  } else {
    __syncthreads();  // @barrier_against_shuffle.barrier
  }
  data[threadIdx.x] = x;
}

__global__ void trip_counts_kernel(float* data) {
  float x = data[threadIdx.x];
  const unsigned trips = threadIdx.x == 5 ? 3 : 4;
  for (unsigned i = 0; i < trips; ++i) x += __shfl_down_sync(kAll, x, 1);  // @trip_counts
  data[threadIdx.x] = x;
}

__global__ void two_shuffles_kernel(float* data) {
  float x = data[threadIdx.x];
  if (threadIdx.x % 2 == 0) {
    x = __shfl_sync(kAll, x, 0);  // @two_shuffles.first
  } else {
    x = __shfl_sync(kAll, x, 1);  // @two_shuffles.second
  }
  data[threadIdx.x] = x;
}

__global__ void outside_mask_kernel(float* data) {
  float x = data[threadIdx.x];
  if (threadIdx.x < 16) x = __shfl_sync(0xffffu, x, 20);  // @outside_mask
  data[threadIdx.x] = x;
}

__global__ void not_in_mask_kernel(float* data) {
  float x = data[threadIdx.x];
  x = __shfl_sync(0xffffu, x, 0);  // @not_in_mask
  data[threadIdx.x] = x;
}

__global__ void short_warp_kernel(float* data) {
  __syncwarp();  // @short_warp
  data[threadIdx.x] = 1;
}

__global__ void bad_width_kernel(float* data) {
  data[threadIdx.x] = __shfl_sync(kAll, data[threadIdx.x], 0, 24);  // @bad_width
}

__global__ void active_mask_kernel(float* data) {
  data[threadIdx.x] = __shfl_sync(__activemask(), data[threadIdx.x], 0);  // @active_mask
}

__global__ void short_mma_kernel(float* data) {
  const uint32_t a[4] = {}, b[2] = {};
  float c[4] = {};
  ptx::mma_m16n8k16_bf16(c, a, b, c);  // @short_mma
  data[threadIdx.x] = c[0];
}

const char* text(cudaError_t e) { return e == cudaSuccess ? nullptr : cudaGetErrorString(cudaGetLastError()); }

}  // namespace

#define GLMV_MISTAKE(name, threads)                                                                       \
  {                                                                                                       \
#name, [](float* data, int) { return text(gpu_launch(name##_kernel, 2, threads, 0, nullptr, data)); } \
  }
const Mistake sync_mistakes[] = {
    GLMV_MISTAKE(barrier_in_branch, 128),
    GLMV_MISTAKE(two_barriers, 64),
    GLMV_MISTAKE(early_return, 128),
    GLMV_MISTAKE(shuffle_in_branch, 32),
    GLMV_MISTAKE(barrier_against_shuffle, 32),
    GLMV_MISTAKE(trip_counts, 32),
    GLMV_MISTAKE(two_shuffles, 32),
    GLMV_MISTAKE(outside_mask, 32),
    GLMV_MISTAKE(not_in_mask, 32),
    GLMV_MISTAKE(short_warp, 48),
    GLMV_MISTAKE(bad_width, 32),
    GLMV_MISTAKE(active_mask, 32),
    GLMV_MISTAKE(short_mma, 16),
};
const size_t sync_mistakes_count = sizeof(sync_mistakes) / sizeof(sync_mistakes[0]);

}  // namespace glmv::GLMV_BACKEND
