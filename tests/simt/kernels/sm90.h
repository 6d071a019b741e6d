// Single instructions of sm_90a on operands that the test lays out in shared memory byte by byte.
#pragma once

#include "reference/core/dtype.h"
#include "simt/tensor_map.h"

/// What descriptors say besides the start: bytes.
struct WgmmaOffsets {
  unsigned a_leading, a_stride, b_leading, b_stride;
};
constexpr int kWgmmaImage = 64 * 1024;  ///< bytes of an operand's image, from a multiple of 1024 on

#define GLMV_DECLARE_SM90_KERNELS(backend)                                                                \
  namespace glmv::backend {                                                                               \
  /* d [128 threads][columns / 2] of one m64nNk16 on images of shared memory; columns 128 or 256 */       \
  const char* one_wgmma(const uint8_t* a, const uint8_t* b, float* d, WgmmaOffsets offsets, int columns); \
  /* the same with A in registers, [128 threads][4], and B MN-major; columns 128 */                       \
  const char* one_wgmma_registers(const uint32_t* a, const uint8_t* b, float* d, WgmmaOffsets offsets);   \
  /* image: the box that lands at (x, y, z), as it lies in shared memory */                               \
  const char* one_tensor_load(const ptx::BoxedTensor& tensor, int x, int y, int z, uint8_t* image);       \
  /* out [m, 128] = a [m, k] b [128, k]^T through a ring of `stages` stages; m % 64 == k % 64 == 0 */     \
  const char* gemm_wgmma(const bf16* a, const bf16* b, float* out, int m, int k);                         \
  }
