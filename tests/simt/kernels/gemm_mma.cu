// out = a b^T with mma.sync, fragments straight from global memory: one warp per 16x8 tile.
#include <cuda_runtime.h>

#include "simt/gpu.h"
#include "simt/ptx.h"
#include "tests/simt/kernels/kernels.h"

GLMV_DECLARE_CUDA_KERNELS(GLMV_BACKEND)

namespace glmv::GLMV_BACKEND {
namespace {

// Two neighbours of a row in one register.
__device__ uint32_t load_pair(const bf16* p) { return *reinterpret_cast<const uint32_t*>(p); }

__global__ void __launch_bounds__(32) gemm_mma_kernel(const bf16* a, const bf16* b, float* out, int n, int k) {
  const int lane = threadIdx.x, g = lane / 4, pair = lane % 4 * 2;
  const int row = blockIdx.y * 16 + g, column = blockIdx.x * 8;
  float sum[4] = {};
  for (int k0 = 0; k0 < k; k0 += 16) {
    const bf16 *upper = &a[size_t(row) * k + k0 + pair], *lower = upper + size_t{8} * k;
    const bf16* weights = &b[size_t(column + g) * k + k0 + pair];
    const uint32_t a_regs[4] = {load_pair(upper), load_pair(lower), load_pair(upper + 8), load_pair(lower + 8)};
    const uint32_t b_regs[2] = {load_pair(weights), load_pair(weights + 8)};
    ptx::mma_m16n8k16_bf16(sum, a_regs, b_regs, sum);
  }
  for (int i = 0; i < 4; ++i) out[(row + 8 * (i / 2)) * n + column + pair + i % 2] = sum[i];
}

}  // namespace

const char* gemm_mma(const bf16* a, const bf16* b, float* out, int m, int n, int k) {
  const cudaError_t e = gpu_launch(gemm_mma_kernel, dim3(n / 8, m / 16), 32, 0, nullptr, a, b, out, n, k);
  return e == cudaSuccess ? nullptr : cudaGetErrorString(e);
}

}  // namespace glmv::GLMV_BACKEND
