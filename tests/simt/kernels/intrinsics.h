// Warp and block intrinsics on values the test chooses, one block. Each returns null, or the text of the error.
#pragma once

#include <cstdint>

namespace glmv {

/// What a lane got from each intrinsic.
struct CudaWarpResults {
  int index, up, down, exclusive_or, index_of_8, up_of_8, down_of_8, xor_of_8;
  double wide;
  unsigned ballot, any, all, match;
  unsigned add, least, most, bits_and, bits_or;
  int least_signed, most_signed;
  unsigned half_ballot;  ///< with the mask of the own half
};

struct HipWarpResults {
  int index, up, down, exclusive_or, down_of_16;
  uint64_t ballot;
  int any, all;
};

struct BlockResults {
  int count, all, any;
};

struct AtomicResults {
  int add, sub, most, least, bits_or, bits_and, exchanged, swapped;
  unsigned wrapped, total;
  unsigned long long wide;
  float sum;
};

}  // namespace glmv

#define GLMV_DECLARE_CUDA_INTRINSICS(backend)                                                        \
  namespace glmv::backend {                                                                          \
  const char* cuda_warp(const int* values, int argument, CudaWarpResults* results); /* 32 threads */ \
  const char* block_votes(const int* flags, BlockResults* results, int threads);                     \
  const char* atomics(AtomicResults* results, int threads);                                          \
  const char* sleeping_flag(int* out); /* one thread spins until its neighbour has written */        \
  }

#define GLMV_DECLARE_HIP_INTRINSICS(backend)                                                   \
  namespace glmv::backend {                                                                    \
  const char* hip_warp(const int* values, int argument, HipWarpResults* results, int threads); \
  }
