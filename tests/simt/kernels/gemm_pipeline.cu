// out = a b^T with mma.sync from shared memory: tiles of 64x64x32, double-buffered cp.async, ldmatrix, four warps of
// 32x32.
#include <cuda_runtime.h>

#include "simt/gpu.h"
#include "simt/ptx.h"
#include "tests/simt/kernels/kernels.h"

GLMV_DECLARE_CUDA_KERNELS(GLMV_BACKEND)

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kBlock = 64, kStep = 32, kThreads = 128, kStages = 2;
constexpr int kPitch = kStep + 8;  // 80 bytes: eight rows start in eight different groups of four banks

struct Stage {
  bf16 a[kBlock][kPitch], b[kBlock][kPitch];
};
constexpr size_t kSharedBytes = kStages * sizeof(Stage);

// 64 rows of 32 values, 16 bytes at a time; what lies outside the matrix becomes zero.
__device__ void load_tile(bf16 (&tile)[kBlock][kPitch], const bf16* from, int row0, int rows, int k0, int k) {
  for (int i = threadIdx.x; i < kBlock * kStep / 8; i += kThreads) {
    const int row = i / (kStep / 8), column = i % (kStep / 8) * 8;
    const bool inside = row0 + row < rows && k0 + column < k;
    const bf16* source = inside ? from + size_t(row0 + row) * k + k0 + column : from;
    ptx::cp_async_16_zfill(&tile[row][column], source, inside ? 16 : 0);
  }
}

// One step of 16 along K for a warp's 32x32 corner.
__device__ void multiply(const Stage& stage, int warp_row, int warp_column, int k0, float (&sum)[2][4][4]) {
  const int lane = threadIdx.x % 32;
  uint32_t a[2][4], b[2][4];
  for (int i = 0; i < 2; ++i) {
    ptx::ldmatrix_x4(a[i], &stage.a[warp_row + 16 * i + lane % 16][k0 + 8 * (lane / 16)]);
    ptx::ldmatrix_x4(b[i], &stage.b[warp_column + 16 * i + lane / 16 * 8 + lane % 8][k0 + lane / 8 % 2 * 8]);
  }
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 4; ++j) {
      const int first = j % 2 * 2;
      const uint32_t b_regs[2] = {b[j / 2][first], b[j / 2][first + 1]};
      ptx::mma_m16n8k16_bf16(sum[i][j], a[i], b_regs, sum[i][j]);
    }
  }
}

__device__ void store(const float (&sum)[2][4][4], float* out, int row0, int column0, int m, int n) {
  const int lane = threadIdx.x % 32;
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 4; ++j) {
      for (int r = 0; r < 4; ++r) {
        const int row = row0 + 16 * i + lane / 4 + r / 2 * 8, column = column0 + 8 * j + lane % 4 * 2 + r % 2;
        if (row < m && column < n) out[size_t(row) * n + column] = sum[i][j][r];
      }
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    gemm_pipeline_kernel(const bf16* a, const bf16* b, float* out, int m, int n, int k) {
  GPU_DYNAMIC_SHARED(Stage, stages);
  const int row0 = blockIdx.y * kBlock, column0 = blockIdx.x * kBlock, steps = (k + kStep - 1) / kStep;
  const int warp = threadIdx.x / 32, warp_row = warp / 2 * 32, warp_column = warp % 2 * 32;
  const auto load = [&](int step) {
    if (step < steps) {
      load_tile(stages[step % kStages].a, a, row0, m, step * kStep, k);
      load_tile(stages[step % kStages].b, b, column0, n, step * kStep, k);
    }
    ptx::cp_async_commit();  // an empty group at the end keeps the count of groups right
  };
  float sum[2][4][4] = {};
  load(0);
  for (int step = 0; step < steps; ++step) {
    load(step + 1);
    ptx::cp_async_wait<1>();
    __syncthreads();  // the other threads' copies have arrived too
    for (int k0 = 0; k0 < kStep; k0 += 16) multiply(stages[step % kStages], warp_row, warp_column, k0, sum);
    __syncthreads();  // everybody has read the stage that the next round loads into
  }
  store(sum, out, row0 + warp_row, column0 + warp_column, m, n);
}

}  // namespace

const char* gemm_pipeline(const bf16* a, const bf16* b, float* out, int m, int n, int k) {
  const dim3 grid((n + kBlock - 1) / kBlock, (m + kBlock - 1) / kBlock);
  const cudaError_t e = gpu_launch(gemm_pipeline_kernel, grid, kThreads, kSharedBytes, nullptr, a, b, out, m, n, k);
  return e == cudaSuccess ? nullptr : cudaGetErrorString(e);
}

}  // namespace glmv::GLMV_BACKEND
