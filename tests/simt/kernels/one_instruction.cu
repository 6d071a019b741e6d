// Single matrix instructions on registers that the test chooses, lane by lane: for probing the lane tables.
#include <cuda_runtime.h>

#include "simt/gpu.h"
#include "simt/ptx.h"
#include "tests/simt/kernels/kernels.h"

GLMV_DECLARE_CUDA_KERNELS(GLMV_BACKEND)

namespace glmv::GLMV_BACKEND {
namespace {

struct Registers {
  uint32_t a[4], b[2];
  float c[4], d[4];
};

__device__ Registers load(const uint32_t* a, const uint32_t* b, const float* c) {
  const int lane = threadIdx.x;
  Registers r;
  for (int i = 0; i < 4; ++i) r.a[i] = a[lane * 4 + i], r.c[i] = c[lane * 4 + i], r.d[i] = 0;
  for (int i = 0; i < 2; ++i) r.b[i] = b[lane * 2 + i];
  return r;
}

__global__ void __launch_bounds__(32)
    one_mma_kernel(const uint32_t* a, const uint32_t* b, const float* c, float* d, bool fp8) {
  Registers r = load(a, b, c);
  if (fp8) {
    ptx::mma_m16n8k32_e4m3(r.d, r.a, r.b, r.c);
  } else {
    ptx::mma_m16n8k16_bf16(r.d, r.a, r.b, r.c);
  }
  for (int i = 0; i < 4; ++i) d[threadIdx.x * 4 + i] = r.d[i];
}

template <int kTiles>
__device__ void load_tiles(uint32_t (&out)[kTiles], const void* row, bool transposed);
template <>
__device__ void load_tiles<1>(uint32_t (&out)[1], const void* row, bool transposed) {
  transposed ? ptx::ldmatrix_x1_trans(out, row) : ptx::ldmatrix_x1(out, row);
}
template <>
__device__ void load_tiles<2>(uint32_t (&out)[2], const void* row, bool transposed) {
  transposed ? ptx::ldmatrix_x2_trans(out, row) : ptx::ldmatrix_x2(out, row);
}
template <>
__device__ void load_tiles<4>(uint32_t (&out)[4], const void* row, bool transposed) {
  transposed ? ptx::ldmatrix_x4_trans(out, row) : ptx::ldmatrix_x4(out, row);
}

template <int kTiles>
__global__ void __launch_bounds__(32) one_ldmatrix_kernel(const uint16_t* tiles, uint32_t* out, bool transposed) {
  GPU_SHARED(uint16_t, rows, [32][8]);
  const int lane = threadIdx.x;
  for (int i = 0; i < 8; ++i) rows[lane][i] = tiles[lane * 8 + i];
  __syncthreads();
  uint32_t result[kTiles];
  load_tiles<kTiles>(result, lane < 8 * kTiles ? rows[lane] : nullptr, transposed);
  for (int i = 0; i < kTiles; ++i) out[lane * 4 + i] = result[i];
}

const char* text(cudaError_t e) { return e == cudaSuccess ? nullptr : cudaGetErrorString(e); }

}  // namespace

const char* one_mma_bf16(const uint32_t* a, const uint32_t* b, const float* c, float* d) {
  return text(gpu_launch(one_mma_kernel, 1, 32, 0, nullptr, a, b, c, d, false));
}
const char* one_mma_e4m3(const uint32_t* a, const uint32_t* b, const float* c, float* d) {
  return text(gpu_launch(one_mma_kernel, 1, 32, 0, nullptr, a, b, c, d, true));
}
const char* one_ldmatrix(const uint16_t* tiles, uint32_t* out, int count, bool transposed) {
  const auto kernel = count == 1   ? one_ldmatrix_kernel<1>
                      : count == 2 ? one_ldmatrix_kernel<2>
                                   : one_ldmatrix_kernel<4>;
  return text(gpu_launch(kernel, 1, 32, 0, nullptr, tiles, out, transposed));
}

}  // namespace glmv::GLMV_BACKEND
