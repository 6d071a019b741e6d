// Lets nvcc compile the HIP sources: -DGLMV_GPU_HIP -Ihip/compat/nvidia. There are no matrix instructions of AMD's then
// and waves are 32 wide, so what would run on an NVIDIA GPU are the kernels of any wave width and the plain rung.
#pragma once

#include <cuda_runtime.h>

// ---- The runtime, as far as we use it

using hipError_t = cudaError_t;
using hipStream_t = cudaStream_t;
using hipEvent_t = cudaEvent_t;
using hipGraph_t = cudaGraph_t;
using hipGraphExec_t = cudaGraphExec_t;
#define hipSuccess cudaSuccess
#define hipErrorOutOfMemory cudaErrorMemoryAllocation
#define hipMemcpyHostToDevice cudaMemcpyHostToDevice
#define hipMemcpyDeviceToHost cudaMemcpyDeviceToHost
#define hipGetErrorString cudaGetErrorString
#define hipGetLastError cudaGetLastError
#define hipGetDeviceCount cudaGetDeviceCount
#define hipGetDevice cudaGetDevice
#define hipMalloc cudaMalloc
#define hipFree cudaFree
#define hipMemcpy cudaMemcpy
#define hipMemcpyAsync cudaMemcpyAsync
#define hipMemGetInfo cudaMemGetInfo
#define hipStreamBeginCapture cudaStreamBeginCapture
#define hipStreamCaptureModeThreadLocal cudaStreamCaptureModeThreadLocal
#define hipStreamEndCapture cudaStreamEndCapture
#define hipGraphInstantiateWithFlags cudaGraphInstantiateWithFlags
#define hipGraphLaunch cudaGraphLaunch
#define hipGraphDestroy cudaGraphDestroy
#define hipGraphExecDestroy cudaGraphExecDestroy
#define hipStreamCreate cudaStreamCreate
#define hipStreamDestroy cudaStreamDestroy
#define hipStreamSynchronize cudaStreamSynchronize
#define hipEventCreate cudaEventCreate
#define hipEventRecord cudaEventRecord
#define hipEventSynchronize cudaEventSynchronize
#define hipEventElapsedTime cudaEventElapsedTime
#define hipEventDestroy cudaEventDestroy
#define hipDriverGetVersion cudaDriverGetVersion
#define hipRuntimeGetVersion cudaRuntimeGetVersion
#define hipLaunchKernelGGL(kernel, grid, block, shared, stream, ...) \
  kernel<<<(grid), (block), (shared), (stream)>>>(__VA_ARGS__)

struct hipDeviceProp_t {
  char name[256];
  size_t sharedMemPerBlock;
  int warpSize, multiProcessorCount, l2CacheSize;
  char gcnArchName[8];  ///< empty: no AMD target
};
inline hipError_t hipGetDeviceProperties(hipDeviceProp_t* to, int device) {
  cudaDeviceProp from;
  const cudaError_t error = cudaGetDeviceProperties(&from, device);
  if (error != cudaSuccess) return error;
  *to = {{}, from.sharedMemPerBlock, from.warpSize, from.multiProcessorCount, from.l2CacheSize, {}};
  memcpy(to->name, from.name, sizeof(to->name));
  return error;
}

// ---- Exchanges of a whole wave. CUDA still declares __ballot and __any of old, so these are macros

template <class T>
__device__ T __shfl(T value, int lane, int width = 32) {
  return __shfl_sync(0xffffffffu, value, lane, width);
}
template <class T>
__device__ T __shfl_up(T value, unsigned distance, int width = 32) {
  return __shfl_up_sync(0xffffffffu, value, distance, width);
}
template <class T>
__device__ T __shfl_xor(T value, int lane_mask, int width = 32) {
  return __shfl_xor_sync(0xffffffffu, value, lane_mask, width);
}
#define __ballot(flag) static_cast<unsigned long long>(__ballot_sync(0xffffffffu, flag))
#define __any(flag) __any_sync(0xffffffffu, flag)
