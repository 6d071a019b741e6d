// out[r] = softmax(x[r]) of rows of floats: one block per row, warp shuffles, one value per warp in shared memory.
#include <cuda_runtime.h>

#include "simt/gpu.h"
#include "tests/simt/kernels/kernels.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;

struct Max {
  __device__ static float identity() { return __uint_as_float(0xff800000u); }
  __device__ static float of(float a, float b) { return fmaxf(a, b); }
};
struct Sum {
  __device__ static float identity() { return 0.0f; }
  __device__ static float of(float a, float b) { return a + b; }
};

template <class Op>
__device__ float warp_reduce(float x) {
  for (int offset = 16; offset > 0; offset /= 2) x = Op::of(x, __shfl_xor_sync(0xffffffffu, x, offset));
  return x;
}

// Every thread gets the result. The first barrier keeps a fast warp from overwriting what a slow one still reads.
template <class Op>
__device__ float block_reduce(float x, float* per_warp) {
  x = warp_reduce<Op>(x);
  __syncthreads();
  if (threadIdx.x % 32 == 0) per_warp[threadIdx.x / 32] = x;
  __syncthreads();
  x = threadIdx.x % 32 < kWarps ? per_warp[threadIdx.x % 32] : Op::identity();
  return warp_reduce<Op>(x);
}

__global__ void __launch_bounds__(kThreads) softmax_kernel(const float* x, float* out, int columns) {
  GPU_SHARED(float, per_warp, [kWarps]);
  GPU_DYNAMIC_SHARED(float, row);
  const float* in = x + size_t(blockIdx.x) * columns;
  float largest = Max::identity();
  for (int i = threadIdx.x; i < columns; i += kThreads) largest = fmaxf(largest, row[i] = in[i]);
  largest = block_reduce<Max>(largest, per_warp);
  float sum = 0.0f;
  for (int i = threadIdx.x; i < columns; i += kThreads) sum += row[i] = expf(row[i] - largest);
  sum = block_reduce<Sum>(sum, per_warp);
  for (int i = threadIdx.x; i < columns; i += kThreads) out[size_t(blockIdx.x) * columns + i] = row[i] / sum;
}

}  // namespace

cudaError_t softmax(const float* x, float* out, int rows, int columns) {
  return gpu_launch(softmax_kernel, rows, kThreads, columns * sizeof(float), nullptr, x, out, columns);
}

}  // namespace glmv::GLMV_BACKEND
