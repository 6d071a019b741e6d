// out = a b^T with AMD's matrix instructions, fragments straight from global memory: one wave per tile. And single
// instructions on registers that the test chooses.
#include <hip/hip_runtime.h>

#include "simt/gpu.h"
#include "simt/mfma.h"
#include "tests/simt/kernels/kernels.h"

GLMV_DECLARE_HIP_KERNELS(GLMV_BACKEND)

namespace glmv::GLMV_BACKEND {
namespace {

template <int kSize>
struct Tile;
template <>
struct Tile<16> {
  static constexpr int kStep = 16, kFp8Step = 32, kValues = 4;
};
template <>
struct Tile<32> {
  static constexpr int kStep = 8, kFp8Step = 16, kValues = 16;
};

#if GLMV_HAS_MFMA
__device__ void mfma(float (&d)[4], const uint16_t (&a)[4], const uint16_t (&b)[4], const float (&c)[4]) {
  mfma::mfma_16x16x16_bf16(d, a, b, c);
}
__device__ void mfma(float (&d)[16], const uint16_t (&a)[4], const uint16_t (&b)[4], const float (&c)[16]) {
  mfma::mfma_32x32x8_bf16(d, a, b, c);
}
#else
template <int kValues>
__device__ void mfma(float (&)[kValues], const uint16_t (&)[4], const uint16_t (&)[4], const float (&)[kValues]) {}
#endif
#if GLMV_HAS_MFMA_FP8
__device__ void mfma(float (&d)[4], uint64_t a, uint64_t b, const float (&c)[4]) {
  mfma::mfma_16x16x32_fp8(d, a, b, c);
}
__device__ void mfma(float (&d)[16], uint64_t a, uint64_t b, const float (&c)[16]) {
  mfma::mfma_32x32x16_fp8(d, a, b, c);
}
#else
template <int kValues>
__device__ void mfma(float (&)[kValues], uint64_t, uint64_t, const float (&)[kValues]) {}
#endif

template <int kSize>
__global__ void __launch_bounds__(64) gemm_mfma_kernel(const bf16* a, const bf16* b, float* out, int n, int k) {
  using T = Tile<kSize>;
  const int lane = threadIdx.x, group = lane / kSize, mine = lane % kSize;
  const int row0 = blockIdx.y * kSize, column = blockIdx.x * kSize + mine;
  float sum[T::kValues] = {};
  for (int k0 = 0; k0 < k; k0 += T::kStep) {
    uint16_t a_regs[4], b_regs[4];
    for (int i = 0; i < 4; ++i) {
      a_regs[i] = a[(row0 + mine) * k + k0 + 4 * group + i].bits;
      b_regs[i] = b[column * k + k0 + 4 * group + i].bits;
    }
    mfma(sum, a_regs, b_regs, sum);
  }
  constexpr int kGroups = 64 / kSize;
  for (int r = 0; r < T::kValues; ++r) {
    out[(row0 + r / 4 * 4 * kGroups + 4 * group + r % 4) * n + column] = sum[r];
  }
}

template <int kSize>
__global__ void __launch_bounds__(64)
    one_mfma_bf16_kernel(const uint16_t* a, const uint16_t* b, const float* c, float* d) {
  constexpr int kValues = Tile<kSize>::kValues;
  const int lane = threadIdx.x;
  uint16_t a_regs[4], b_regs[4];
  float c_regs[kValues], d_regs[kValues];
  for (int i = 0; i < 4; ++i) a_regs[i] = a[lane * 4 + i], b_regs[i] = b[lane * 4 + i];
  for (int i = 0; i < kValues; ++i) c_regs[i] = c[lane * kValues + i], d_regs[i] = 0;
  mfma(d_regs, a_regs, b_regs, c_regs);
  for (int i = 0; i < kValues; ++i) d[lane * kValues + i] = d_regs[i];
}

template <int kSize>
__global__ void __launch_bounds__(64)
    one_mfma_fp8_kernel(const uint64_t* a, const uint64_t* b, const float* c, float* d) {
  constexpr int kValues = Tile<kSize>::kValues;
  const int lane = threadIdx.x;
  float c_regs[kValues], d_regs[kValues];
  for (int i = 0; i < kValues; ++i) c_regs[i] = c[lane * kValues + i], d_regs[i] = 0;
  mfma(d_regs, a[lane], b[lane], c_regs);
  for (int i = 0; i < kValues; ++i) d[lane * kValues + i] = d_regs[i];
}

const char* text(hipError_t e) { return e == hipSuccess ? nullptr : hipGetErrorString(e); }

}  // namespace

const char* gemm_mfma(const bf16* a, const bf16* b, float* out, int m, int n, int k, int size) {
  const auto kernel = size == 32 ? gemm_mfma_kernel<32> : gemm_mfma_kernel<16>;
  return text(gpu_launch(kernel, dim3(n / size, m / size), 64, 0, nullptr, a, b, out, n, k));
}
const char* one_mfma_bf16(const uint16_t* a, const uint16_t* b, const float* c, float* d, int size) {
  const auto kernel = size == 32 ? one_mfma_bf16_kernel<32> : one_mfma_bf16_kernel<16>;
  return text(gpu_launch(kernel, 1, 64, 0, nullptr, a, b, c, d));
}
const char* one_mfma_fp8(const uint64_t* a, const uint64_t* b, const float* c, float* d, int size) {
  const auto kernel = size == 32 ? one_mfma_fp8_kernel<32> : one_mfma_fp8_kernel<16>;
  return text(gpu_launch(kernel, 1, 64, 0, nullptr, a, b, c, d));
}

}  // namespace glmv::GLMV_BACKEND
