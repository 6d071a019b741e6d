// out = x w in floats: 16x16 tiles in shared memory, two barriers per step.
#include "tests/simt/kernels/kernels.h"
#include "tests/simt/kernels/portable.h"

GLMV_DECLARE_PORTABLE_KERNELS(GLMV_BACKEND)

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kTile = 16;

__global__ void __launch_bounds__(kTile* kTile)
    gemm_tiled_kernel(const float* x, const float* w, float* out, int m, int n, int k) {
  GPU_SHARED(float, x_tile, [kTile][kTile]);
  GPU_SHARED(float, w_tile, [kTile][kTile]);
  const int tx = threadIdx.x, ty = threadIdx.y;
  const int row = blockIdx.y * kTile + ty, column = blockIdx.x * kTile + tx;
  float sum = 0.0f;
  for (int k0 = 0; k0 < k; k0 += kTile) {
    x_tile[ty][tx] = row < m && k0 + tx < k ? x[row * k + k0 + tx] : 0.0f;
    w_tile[ty][tx] = column < n && k0 + ty < k ? w[(k0 + ty) * n + column] : 0.0f;
    __syncthreads();
    for (int i = 0; i < kTile; ++i) sum += x_tile[ty][i] * w_tile[i][tx];
    __syncthreads();  // nobody overwrites a tile that another still reads
  }
  if (row < m && column < n) out[row * n + column] = sum;
}

}  // namespace

const char* gemm_tiled(const float* x, const float* w, float* out, int m, int n, int k) {
  const dim3 grid((n + kTile - 1) / kTile, (m + kTile - 1) / kTile);
  return GPU_ERROR_TEXT(gpu_launch(gemm_tiled_kernel, grid, dim3(kTile, kTile), 0, nullptr, x, w, out, m, n, k));
}

}  // namespace glmv::GLMV_BACKEND
