// Softmax of rows of floats: one block per row, warp shuffles, one value per warp in shared memory.
#include "tests/simt/kernels/kernels.h"
#include "tests/simt/kernels/portable.h"

GLMV_DECLARE_PORTABLE_KERNELS(GLMV_BACKEND)

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kThreads = 256;

struct Max {
  __device__ static float identity() { return __uint_as_float(0xff800000u); }
  __device__ static float of(float a, float b) { return fmaxf(a, b); }
};
struct Sum {
  __device__ static float identity() { return 0.0f; }
  __device__ static float of(float a, float b) { return a + b; }
};

template <int kWidth, class Op>
__device__ float warp_reduce(float x) {
  for (int offset = kWidth / 2; offset > 0; offset /= 2) x = Op::of(x, WARP_XOR(x, offset));
  return x;
}

// Every thread gets the result. The first barrier keeps a fast warp from overwriting what a slow one still reads.
template <int kWidth, class Op>
__device__ float block_reduce(float x, float* per_warp) {
  constexpr int kWarps = kThreads / kWidth;
  const int lane = threadIdx.x % kWidth;
  x = warp_reduce<kWidth, Op>(x);
  __syncthreads();
  if (lane == 0) per_warp[threadIdx.x / kWidth] = x;
  __syncthreads();
  x = lane < kWarps ? per_warp[lane] : Op::identity();
  return warp_reduce<kWidth, Op>(x);
}

template <int kWidth>
__global__ void __launch_bounds__(kThreads) softmax_kernel(const float* x, float* out, int columns) {
  GPU_SHARED(float, per_warp, [kThreads / kWidth]);
  GPU_DYNAMIC_SHARED(float, row);
  const float* in = x + size_t(blockIdx.x) * columns;
  float largest = Max::identity();
  for (int i = threadIdx.x; i < columns; i += kThreads) largest = fmaxf(largest, row[i] = in[i]);
  largest = block_reduce<kWidth, Max>(largest, per_warp);
  float sum = 0.0f;
  for (int i = threadIdx.x; i < columns; i += kThreads) sum += row[i] = expf(row[i] - largest);
  sum = block_reduce<kWidth, Sum>(sum, per_warp);
  for (int i = threadIdx.x; i < columns; i += kThreads) out[size_t(blockIdx.x) * columns + i] = row[i] / sum;
}

}  // namespace

const char* softmax(const float* x, float* out, int rows, int columns, int width) {
  const auto kernel = width == 64 ? softmax_kernel<64> : softmax_kernel<32>;
  return GPU_ERROR_TEXT(gpu_launch(kernel, rows, kThreads, columns * sizeof(float), nullptr, x, out, columns));
}

}  // namespace glmv::GLMV_BACKEND
