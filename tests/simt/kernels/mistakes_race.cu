// Data races, found by ThreadSanitizer, and correct kernels of which it must say nothing.
// "// @word" marks the lines a report must name.
#include <cuda_runtime.h>

#include "simt/gpu.h"
#include "simt/ptx.h"
#include "tests/simt/kernels/mistakes.h"

GLMV_DECLARE_MISTAKES(GLMV_BACKEND, race_mistakes)

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kTile = 16, kSteps = 4;

// out [16,16] = x [16,64] w [64,16]. Without the second barrier a thread that runs ahead overwrites what others still
// read.
template <bool kSecondBarrier>
__device__ void gemm(const float* x, const float* w, float* out) {
  GPU_SHARED(float, x_tile, [kTile][kTile]);
  GPU_SHARED(float, w_tile, [kTile][kTile]);
  const int column = threadIdx.x % kTile, row = threadIdx.x / kTile;
  float sum = 0;
  for (int step = 0; step < kSteps; ++step) {
    x_tile[row][column] = x[row * kTile * kSteps + step * kTile + column];  // @missing_barrier.write
    w_tile[row][column] = w[(step * kTile + row) * kTile + column];
    __syncthreads();
    for (int i = 0; i < kTile; ++i) {
      sum += x_tile[row][i] * w_tile[i][column];  // @missing_barrier.read
    }
    if (kSecondBarrier) __syncthreads();
  }
  out[threadIdx.x] = sum;
}

__global__ void missing_barrier_kernel(float* data) { gemm<false>(data, data + 1024, data + 2048); }
__global__ void both_barriers_kernel(float* data) { gemm<true>(data, data + 1024, data + 2048); }

// Every thread writes the same value, so no result tells.
__global__ void right_by_chance_kernel(float* data) {
  GPU_SHARED(float, flag, );
  flag = 1;  // @right_by_chance
  __syncthreads();
  data[threadIdx.x] = flag;
}

// A reduction whose last steps rely on the lanes of a warp running in lockstep.
__global__ void lockstep_kernel(float* data) {
  GPU_SHARED(float, part, [64]);
  part[threadIdx.x] = data[threadIdx.x];
  __syncthreads();
  for (int n = 32; n > 0; n /= 2) {
    if (threadIdx.x < unsigned(n)) part[threadIdx.x] += part[threadIdx.x + n];  // @lockstep
  }
  if (threadIdx.x == 0) data[0] = part[0];
}

// The neighbour has written before it takes part in the shuffle; but a shuffle exchanges registers and orders no
// memory.
__global__ void ordered_by_shuffle_kernel(float* data) {
  GPU_SHARED(float, part, [32]);
  part[threadIdx.x] = data[threadIdx.x];  // @ordered_by_shuffle.write
  const float first = __shfl_sync(0xffffffffu, data[threadIdx.x], 0);
  data[threadIdx.x] = first + part[threadIdx.x ^ 1u];  // @ordered_by_shuffle.read
}

// The reduction with what the lanes need.
__global__ void warp_reduction_kernel(float* data) {
  GPU_SHARED(float, part, [64]);
  part[threadIdx.x] = data[threadIdx.x];
  __syncthreads();
  for (int n = 32; n > 0; n /= 2) {
    const bool mine = threadIdx.x < unsigned(n);
    const float other = mine ? part[threadIdx.x + n] : 0;
    __syncthreads();
    if (mine) part[threadIdx.x] += other;
    __syncthreads();
  }
  if (threadIdx.x == 0 && blockIdx.x == 0) data[64] = part[0];
}

__global__ void two_blocks_kernel(float* data) {
  data[threadIdx.x] = static_cast<float>(blockIdx.x);  // @two_blocks
}

__global__ void atomics_kernel(float* data) {
  auto* count = reinterpret_cast<unsigned*>(data);
  atomicAdd(&count[threadIdx.x % 4], 1u);
  atomicAdd(&data[8 + threadIdx.x % 4], 1.0f);
}

// Two halves of a warp exchange through shared memory; only a barrier of all 32 lanes orders them.
__global__ void half_warp_barrier_kernel(float* data) {
  GPU_SHARED(float, part, [32]);
  part[threadIdx.x] = data[threadIdx.x];  // @half_warp.write
  __syncwarp(threadIdx.x < 16 ? 0xffffu : 0xffff0000u);
  data[threadIdx.x + 32 * blockIdx.x + 32] = part[threadIdx.x ^ 16];  // @half_warp.read
}
__global__ void whole_warp_barrier_kernel(float* data) {
  GPU_SHARED(float, part, [32]);
  part[threadIdx.x] = data[threadIdx.x];
  __syncwarp();
  data[threadIdx.x + 32 * blockIdx.x + 32] = part[threadIdx.x ^ 16];
}

// Each thread waits for its own copy, but reads its neighbour's.
template <bool kBarrier>
__device__ void copy_and_read(float* data) {
  GPU_SHARED(float, tile, [64][4]);
  ptx::cp_async_16(tile[threadIdx.x], data + size_t(4) * threadIdx.x);
  ptx::cp_async_commit();
  ptx::cp_async_wait<0>();
  if (kBarrier) __syncthreads();
  data[512 + 64 * blockIdx.x + threadIdx.x] = tile[threadIdx.x ^ 1][0];  // @copy_without_barrier
}
__global__ void copy_without_barrier_kernel(float* data) { copy_and_read<false>(data); }
__global__ void copy_with_barrier_kernel(float* data) { copy_and_read<true>(data); }

// The last block to finish sums what all blocks wrote: correct with fences, a race without.
template <bool kFence>
__device__ void last_block(float* data) {
  GPU_SHARED(bool, last, );
  auto* counter = reinterpret_cast<unsigned*>(data + 100);
  if (threadIdx.x == 0) {
    data[blockIdx.x] = 1;  // @no_fence.write
    if (kFence) __threadfence();
    last = atomicAdd(counter, 1u) == gridDim.x - 1;
    if (kFence) __threadfence();
  }
  __syncthreads();
  if (last && threadIdx.x == 1) {
    float sum = 0;
    for (unsigned b = 0; b < gridDim.x; ++b) sum += data[b];  // @no_fence.read
    data[50] = sum;
  }
}
__global__ void no_fence_kernel(float* data) { last_block<false>(data); }
__global__ void with_fence_kernel(float* data) { last_block<true>(data); }

__global__ void large_block_kernel(float* data) {
  GPU_SHARED(float, part, [1024]);
  part[threadIdx.x] = data[threadIdx.x];
  __syncthreads();
  data[1024 + 1024 * blockIdx.x + threadIdx.x] = part[1023 - threadIdx.x];
}

const char* text(cudaError_t e) { return e == cudaSuccess ? nullptr : cudaGetErrorString(cudaGetLastError()); }

}  // namespace

#define GLMV_MISTAKE(name, blocks, threads)                                                                    \
  {                                                                                                            \
#name, [](float* data, int) { return text(gpu_launch(name##_kernel, blocks, threads, 0, nullptr, data)); } \
  }
const Mistake race_mistakes[] = {
    GLMV_MISTAKE(missing_barrier, 1, 256),
    GLMV_MISTAKE(both_barriers, 1, 256),
    GLMV_MISTAKE(right_by_chance, 2, 64),
    GLMV_MISTAKE(lockstep, 2, 64),
    GLMV_MISTAKE(ordered_by_shuffle, 1, 32),
    GLMV_MISTAKE(warp_reduction, 2, 64),
    GLMV_MISTAKE(two_blocks, 2, 64),
    GLMV_MISTAKE(atomics, 2, 64),
    GLMV_MISTAKE(half_warp_barrier, 2, 32),
    GLMV_MISTAKE(whole_warp_barrier, 2, 32),
    GLMV_MISTAKE(copy_without_barrier, 2, 64),
    GLMV_MISTAKE(copy_with_barrier, 2, 64),
    GLMV_MISTAKE(no_fence, 2, 64),
    GLMV_MISTAKE(with_fence, 2, 64),
    GLMV_MISTAKE(large_block, 2, 1024),
};
const size_t race_mistakes_count = sizeof(race_mistakes) / sizeof(race_mistakes[0]);

}  // namespace glmv::GLMV_BACKEND
