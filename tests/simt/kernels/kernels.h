// The test kernels as ordinary functions on device memory. Each returns null, or the text of the error.
#pragma once

#include "reference/core/dtype.h"

/// `width` = lanes of a warp, 32 or 64.
#define GLMV_DECLARE_PORTABLE_KERNELS(backend)                                                                   \
  namespace glmv::backend {                                                                                      \
  /* out [m,n] = x [m,k] w [k,n] */                                                                              \
  const char* gemm_tiled(const float* x, const float* w, float* out, int m, int n, int k);                       \
  /* each row of x [rows, columns] */                                                                            \
  const char* softmax(const float* x, float* out, int rows, int columns, int width);                             \
  /* scores [tokens,128] -> ids, weights [tokens,8]: the 8 largest in descending order, ties to the lower id,    \
     weights divided by their sum; histogram [128] counts every choice */                                        \
  const char* router(const float* scores, int* ids, float* weights, unsigned* histogram, int tokens, int width); \
  }

#define GLMV_DECLARE_CUDA_KERNELS(backend)                                                            \
  namespace glmv::backend {                                                                           \
  /* out [m,n] = a [m,k] b[n,k]^T with mma.sync; m % 16 == n % 8 == k % 16 == 0 */                    \
  const char* gemm_mma(const bf16* a, const bf16* b, float* out, int m, int n, int k);                \
  /* the same through shared memory, ldmatrix and double-buffered cp.async; k % 8 == 0 */             \
  const char* gemm_pipeline(const bf16* a, const bf16* b, float* out, int m, int n, int k);           \
  /* one-warp instructions on the registers of 32 lanes: d [32][4], a, b, c likewise, lane by lane */ \
  const char* one_mma_bf16(const uint32_t* a, const uint32_t* b, const float* c, float* d);           \
  const char* one_mma_e4m3(const uint32_t* a, const uint32_t* b, const float* c, float* d);           \
  /* tiles [32 rows][8] of 16 bits -> out [32][4]; count 1, 2 or 4 tiles */                           \
  const char* one_ldmatrix(const uint16_t* tiles, uint32_t* out, int count, bool transposed);         \
  }

#define GLMV_DECLARE_HIP_KERNELS(backend)                                                                \
  namespace glmv::backend {                                                                              \
  /* out [m,n] = a [m,k] b[n,k]^T; m, n % size == 0, k % 16 == 0; size 16: mfma 16x16x16, 32: 32x32x8 */ \
  const char* gemm_mfma(const bf16* a, const bf16* b, float* out, int m, int n, int k, int size);        \
  /* one instruction on the registers of 64 lanes, lane by lane; bf16: 4 values, fp8: 8 bytes */         \
  const char* one_mfma_bf16(const uint16_t* a, const uint16_t* b, const float* c, float* d, int size);   \
  const char* one_mfma_fp8(const uint64_t* a, const uint64_t* b, const float* c, float* d, int size);    \
  }
