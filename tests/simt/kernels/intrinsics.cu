// CUDA's warp, block and atomic intrinsics, each once.
#include "tests/simt/kernels/intrinsics.h"

#include <cuda_runtime.h>

#include "simt/gpu.h"

GLMV_DECLARE_CUDA_INTRINSICS(GLMV_BACKEND)

namespace glmv::GLMV_BACKEND {
namespace {

constexpr unsigned kAll = 0xffffffffu;

__global__ void warp_kernel(const int* values, int argument, CudaWarpResults* results) {
  const int lane = threadIdx.x, v = values[lane];
  CudaWarpResults r;
  r.index = __shfl_sync(kAll, v, argument);
  r.up = __shfl_up_sync(kAll, v, argument);
  r.down = __shfl_down_sync(kAll, v, argument);
  r.exclusive_or = __shfl_xor_sync(kAll, v, argument);
  r.index_of_8 = __shfl_sync(kAll, v, argument, 8);
  r.up_of_8 = __shfl_up_sync(kAll, v, argument, 8);
  r.down_of_8 = __shfl_down_sync(kAll, v, argument, 8);
  r.xor_of_8 = __shfl_xor_sync(kAll, v, argument, 8);
  r.wide = __shfl_xor_sync(kAll, v + 0.25, 1);
  r.ballot = __ballot_sync(kAll, v % 3 == 0);
  r.any = __any_sync(kAll, v % 3 == 0);
  r.all = __all_sync(kAll, v % 3 == 0);
#if GLMV_EMULATED || __CUDA_ARCH__ >= 700
  r.match = __match_any_sync(kAll, v % 5);
#endif
#if GLMV_EMULATED || __CUDA_ARCH__ >= 800
  const unsigned u = static_cast<unsigned>(v);
  r.add = __reduce_add_sync(kAll, u);
  r.least = __reduce_min_sync(kAll, u);
  r.most = __reduce_max_sync(kAll, u);
  r.bits_and = __reduce_and_sync(kAll, u);
  r.bits_or = __reduce_or_sync(kAll, u);
  r.least_signed = __reduce_min_sync(kAll, v);
  r.most_signed = __reduce_max_sync(kAll, v);
#endif
  if (lane < 16) {  // each half for itself, at its own place: allowed, because its mask says so
    r.half_ballot = __ballot_sync(0x0000ffffu, v % 2);
  } else {
    r.half_ballot = __ballot_sync(0xffff0000u, v % 2);
  }
  results[lane] = r;
}

__global__ void block_kernel(const int* flags, BlockResults* results) {
  const int flag = flags[threadIdx.x];
  results[threadIdx.x] = {__syncthreads_count(flag), __syncthreads_and(flag), __syncthreads_or(flag)};
}

__global__ void atomics_kernel(AtomicResults* r) {
  const int i = threadIdx.x;
  atomicAdd(&r->add, i);
  atomicSub(&r->sub, i);
  atomicMax(&r->most, i);
  atomicMin(&r->least, -i);
  atomicOr(&r->bits_or, 1 << i % 31);
  atomicAnd(&r->bits_and, ~(1 << i % 31));
  atomicAdd(&r->wide, 1ull << 32);
  atomicAdd(&r->sum, 0.5f);
  atomicInc(&r->wrapped, 9);
  atomicAdd(&r->total, atomicExch(&r->exchanged, i) >= 0 ? 1u : 0u);
  for (int seen = atomicAdd(&r->swapped, 0), expected = -1; seen != expected;) {  // + 1 by compare-and-swap
    expected = seen;
    seen = atomicCAS(&r->swapped, expected, expected + 1);
  }
}

__global__ void sleeping_flag_kernel(int* out) {
  GPU_SHARED(int, ready, );
  if (threadIdx.x == 0) ready = 0;
  __syncthreads();
  if (threadIdx.x == 0) {
    while (atomicAdd(&ready, 0) == 0) __nanosleep(100);
    *out = 7;
  } else {
    atomicExch(&ready, 1);
  }
}

const char* text(cudaError_t e) { return e == cudaSuccess ? nullptr : cudaGetErrorString(e); }

}  // namespace

const char* cuda_warp(const int* values, int argument, CudaWarpResults* results) {
  return text(gpu_launch(warp_kernel, 1, 32, 0, nullptr, values, argument, results));
}
const char* block_votes(const int* flags, BlockResults* results, int threads) {
  return text(gpu_launch(block_kernel, 1, threads, 0, nullptr, flags, results));
}
const char* atomics(AtomicResults* results, int threads) {
  return text(gpu_launch(atomics_kernel, 1, threads, 0, nullptr, results));
}
const char* sleeping_flag(int* out) { return text(gpu_launch(sleeping_flag_kernel, 1, 2, 0, nullptr, out)); }

}  // namespace glmv::GLMV_BACKEND
