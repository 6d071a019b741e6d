// The few words a kernel source needs beside its vendor's header, so that one source is a GPU program and a program for
// the emulator. Include <cuda_runtime.h> or <hip/hip_runtime.h> first.
//
//   GPU_SHARED(type, name, dims)         a variable in shared memory, 16-byte aligned; dims: [16][17], or nothing
//   GPU_DYNAMIC_SHARED(type, name)       `type* name`: the dynamic shared memory of the launch, 128-byte aligned
//   gpu_launch(kernel, grid, block, dynamic_shared_bytes, stream, args...)
//                                        the vendor's error type. On a GPU: errors of the launch itself. In the
//                                        emulator the grid has run, and a mistake found in it is a launch failure
//   gpu_error_t, gpu_error_text(e)       what it returns, 0 = success; in words
//   gpu_stream_t                         the vendor's stream
//   GPU_UNROLL                           unroll the loop that follows
//   GLMV_EMULATED                        1 in the emulator, 0 on a GPU
#pragma once

#if defined(__CUDACC__) || defined(__HIPCC__)

#include <utility>

#define GLMV_EMULATED 0
#define GPU_SHARED(type, name, ...) __shared__ __attribute__((aligned(16))) type name __VA_ARGS__
#define GPU_DYNAMIC_SHARED(type, name)                                                 \
  extern __shared__ __attribute__((aligned(128))) unsigned char glmv_dynamic_shared[]; \
  type* const name = reinterpret_cast<type*>(glmv_dynamic_shared)
#define GPU_UNROLL _Pragma("unroll")

#if defined(__CUDACC__) && !defined(GLMV_GPU_HIP)
using gpu_error_t = cudaError_t;
using gpu_stream_t = cudaStream_t;
inline const char* gpu_error_text(gpu_error_t e) { return cudaGetErrorString(e); }

template <class... Params, class... Args>
cudaError_t gpu_launch(void (*kernel)(Params...), dim3 grid, dim3 block, size_t dynamic_shared_bytes,
                       cudaStream_t stream, Args&&... args) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = dynamic_shared_bytes;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, std::forward<Args>(args)...);
}
#else
using gpu_error_t = hipError_t;
using gpu_stream_t = hipStream_t;
inline const char* gpu_error_text(gpu_error_t e) { return hipGetErrorString(e); }

template <class... Params, class... Args>
hipError_t gpu_launch(void (*kernel)(Params...), dim3 grid, dim3 block, size_t dynamic_shared_bytes, hipStream_t stream,
                      Args&&... args) {
  hipLaunchKernelGGL(kernel, grid, block, dynamic_shared_bytes, stream, static_cast<Params>(args)...);
  return hipGetLastError();
}
#endif

#else  // the emulator

#include "simt/engine.h"

#define GLMV_EMULATED 1
#define GPU_SHARED(type, name, ...)                                            \
  typedef type name##_type __VA_ARGS__;                                        \
  static const ::glmv::simt::SharedVariable name##_variable = {                \
      #name, sizeof(name##_type), alignof(name##_type), {__FILE__, __LINE__}}; \
  name##_type& name = *static_cast<name##_type*>(::glmv::simt::shared_variable(name##_variable))
#define GPU_DYNAMIC_SHARED(type, name) \
  auto* const name = static_cast<type*>(::glmv::simt::dynamic_shared())  // NOLINT(bugprone-macro-parentheses)
#define GPU_UNROLL

// A macro, because a report wants the kernel's name and the place of the launch.
#if defined(GLMV_SIMT_HIP)
using gpu_error_t = hipError_t;
using gpu_stream_t = hipStream_t;
inline const char* gpu_error_text(gpu_error_t e) { return hipGetErrorString(e); }
#define gpu_launch(kernel, ...) \
  launch_hip({::glmv::simt::Dialect::hip, #kernel, {__FILE__, __LINE__}}, kernel, __VA_ARGS__)
#elif defined(GLMV_SIMT_CUDA)
using gpu_error_t = cudaError_t;
using gpu_stream_t = cudaStream_t;
inline const char* gpu_error_text(gpu_error_t e) { return cudaGetErrorString(e); }
#define gpu_launch(kernel, ...) \
  launch_cuda({::glmv::simt::Dialect::cuda, #kernel, {__FILE__, __LINE__}}, kernel, __VA_ARGS__)
#else
#error "include <cuda_runtime.h> or <hip/hip_runtime.h> before simt/gpu.h"
#endif

#endif
