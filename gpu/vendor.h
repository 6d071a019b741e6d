// The vendor's runtime header: AMD's for a .hip file, in the emulator and under nvcc too (GLMV_GPU_HIP), else NVIDIA's.
#pragma once

/// GPU_RUNTIME(Malloc) is hipMalloc or cudaMalloc: what both runtimes have under one name.
#if defined(__HIPCC__) || defined(GLMV_GPU_HIP)
#include <hip/hip_runtime.h>
#define GPU_RUNTIME(name) hip##name
#define GPU_VENDOR "HIP"
using gpu_device_properties_t = hipDeviceProp_t;
#else
#include <cuda_runtime.h>
#define GPU_RUNTIME(name) cuda##name
#define GPU_VENDOR "CUDA"
using gpu_device_properties_t = cudaDeviceProp;
#endif

#include "simt/gpu.h"

/// For functions that work on arrays in registers. clang inlines less of its own accord than nvcc, and an array that is
/// handed to a function which is called lies in memory; nvcc needs fewer registers when it is left to itself.
#if defined(__HIPCC__)
#define GPU_INLINE __forceinline__
#else
#define GPU_INLINE inline
#endif

/// Ends the kernel with an error; nothing that follows it is compiled.
#if defined(__CUDACC__)
#define GPU_TRAP() (__trap(), __builtin_unreachable())
#else
#define GPU_TRAP() __builtin_trap()
#endif
