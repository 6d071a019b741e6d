// The vendor's runtime header: AMD's for a .hip file, in the emulator and under nvcc too (GLMV_GPU_HIP), else NVIDIA's.
#pragma once

#if defined(__HIPCC__) || defined(GLMV_GPU_HIP)
#include <hip/hip_runtime.h>
#else
#include <cuda_runtime.h>
#endif

#include "simt/gpu.h"

/// For functions that work on arrays in registers. clang inlines less of its own accord than nvcc, and an array that is
/// handed to a function which is called lies in memory; nvcc needs fewer registers when it is left to itself.
#if defined(__HIPCC__)
#define GPU_INLINE __forceinline__
#else
#define GPU_INLINE inline
#endif
