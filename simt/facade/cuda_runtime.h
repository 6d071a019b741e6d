// Stands in for NVIDIA's header of that name: a .cu file that includes it compiles as plain C++ and runs on the
// emulator.
//
// Everything is done when its call returns, unless its stream is being captured: then it is kept, and done when the
// graph is launched (common/runtime.h). A mistake found in a kernel makes the launch return cudaErrorLaunchFailure;
// cudaGetErrorString then gives the whole report.
#pragma once

#include <chrono>
#include <cstring>

#include "simt/facade/common/atomics.h"
#include "simt/facade/common/block_sync.h"
#include "simt/facade/common/cuda_warp.h"
#include "simt/facade/common/device_math.h"
#include "simt/facade/cuda_capture.h"

#define GLMV_SIMT_CUDA 1  // for simt/gpu.h: the emulated device speaks CUDA

inline namespace glmv_simt_facade {

struct EmulatedEvent {
  std::chrono::steady_clock::time_point time;
};
using cudaEvent_t = EmulatedEvent*;

enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout
};
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
};
constexpr unsigned cudaStreamDefault = 0, cudaStreamNonBlocking = 1, cudaEventDefault = 0, cudaEventDisableTiming = 2;

struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerBlockOptin;
  int warpSize, maxThreadsPerBlock, multiProcessorCount, major, minor, l2CacheSize;
};

// ---- Device

inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaSetDevice(int device) {
  return device == 0 ? cudaSuccess : EmulatedCuda::record(cudaErrorInvalidDevice);
}
inline cudaError_t cudaDeviceSynchronize() { return EmulatedCuda::unless_captured("cudaDeviceSynchronize"); }

/// Compute capability 9.0, shared memory as on an H100.
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  if (device != 0) return EmulatedCuda::record(cudaErrorInvalidDevice);
  const auto limits = ::glmv::simt::settings().cuda;
  *p = {"glmv SIMT emulator",
        ::glmv::simt::settings().device_bytes,
        limits.fixed,
        limits.total,
        warpSize,
        1024,
        4,
        9,
        0,
        1 << 20};
  return cudaSuccess;
}
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  if (cudaGetDeviceProperties(&p, device) != cudaSuccess) return cudaErrorInvalidDevice;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
    case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = static_cast<int>(p.sharedMemPerBlockOptin); break;
  }
  return cudaSuccess;
}

template <class Function>
cudaError_t cudaFuncSetAttribute(Function* kernel, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  const auto* function = reinterpret_cast<const void*>(kernel);
  if (value >= 0 && ::glmv::simt::allow_dynamic_shared(function, static_cast<size_t>(value))) return cudaSuccess;
  return EmulatedCuda::record(cudaErrorInvalidValue);
}
template <class Function>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Function*, int, size_t) {
  return *blocks = 1, cudaSuccess;
}

// ---- Memory

inline cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total) {
  *total = ::glmv::simt::settings().device_bytes;
  const size_t used = ::glmv::simt::device_bytes_in_use();
  return *free_bytes = *total > used ? *total - used : 0, cudaSuccess;
}
inline cudaError_t cudaMalloc(void** p, size_t bytes) {
  if (EmulatedCuda::capturing()) return EmulatedCuda::not_while_capturing("cudaMalloc");
  *p = ::glmv::simt::device_malloc(bytes);
  return bytes == 0 || *p != nullptr ? cudaSuccess : EmulatedCuda::record(cudaErrorMemoryAllocation);
}
template <class T>
cudaError_t cudaMalloc(T** p, size_t bytes) {
  void* raw = nullptr;
  const cudaError_t e = cudaMalloc(&raw, bytes);
  if (e != cudaErrorStreamCaptureUnsupported) *p = static_cast<T*>(raw);
  return e;
}
inline cudaError_t cudaFree(void* p) {
  if (EmulatedCuda::capturing()) return EmulatedCuda::not_while_capturing("cudaFree");
  if (p == nullptr || ::glmv::simt::device_free(p)) return cudaSuccess;
  return EmulatedCuda::invalid("cudaFree of a pointer that cudaMalloc did not return");
}
/// Inside a capture these would become nodes of the graph on a device; here they are refused.
template <class T>
cudaError_t cudaMallocAsync(T** p, size_t bytes, cudaStream_t) {
  return cudaMalloc(p, bytes);
}
inline cudaError_t cudaFreeAsync(void* p, cudaStream_t) { return cudaFree(p); }
template <class T>
cudaError_t cudaMallocHost(T** p, size_t bytes) {
  if (EmulatedCuda::capturing()) return EmulatedCuda::not_while_capturing("cudaMallocHost");
  *p = static_cast<T*>(::glmv::simt::pinned_malloc(bytes));
  return *p != nullptr ? cudaSuccess : EmulatedCuda::record(cudaErrorMemoryAllocation);
}
inline cudaError_t cudaFreeHost(void* p) {
  if (EmulatedCuda::capturing()) return EmulatedCuda::not_while_capturing("cudaFreeHost");
  if (p == nullptr || ::glmv::simt::pinned_free(p)) return cudaSuccess;
  return EmulatedCuda::invalid("cudaFreeHost of a pointer that cudaMallocHost did not return");
}

inline cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return EmulatedCuda::copy("cudaMemcpy", to, from, bytes, static_cast<CopyKind>(kind));
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                                   cudaStream_t stream = nullptr) {
  return EmulatedCuda::copy_on(stream, "cudaMemcpyAsync", "cudaMallocHost", to, from, bytes,
                               static_cast<CopyKind>(kind));
}
inline cudaError_t cudaMemset(void* p, int value, size_t bytes) {
  return EmulatedCuda::set_on(nullptr, "cudaMemset", p, value, bytes);
}
inline cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream = nullptr) {
  return EmulatedCuda::set_on(stream, "cudaMemsetAsync", p, value, bytes);
}
/// A __constant__ variable is an ordinary one here.
template <class T>
cudaError_t cudaMemcpyToSymbol(T& symbol, const void* from, size_t bytes, size_t offset = 0) {
  if (offset + bytes > sizeof(T)) return EmulatedCuda::invalid("cudaMemcpyToSymbol: beyond the end of the symbol");
  memcpy(reinterpret_cast<char*>(&symbol) + offset, from, bytes);
  return cudaSuccess;
}

// ---- Events

inline cudaError_t cudaEventCreate(cudaEvent_t* e) { return *e = new EmulatedEvent, cudaSuccess; }
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) { return cudaEventCreate(e); }
inline cudaError_t cudaEventDestroy(cudaEvent_t e) { return delete e, cudaSuccess; }
/// Forks and joins of captured streams are not emulated.
inline cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t stream = nullptr) {
  if (EmulatedCuda::is_captured(stream)) return EmulatedCuda::not_while_capturing("cudaEventRecord");
  return e->time = std::chrono::steady_clock::now(), cudaSuccess;
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t, unsigned = 0) {
  return EmulatedCuda::is_captured(stream) ? EmulatedCuda::not_while_capturing("cudaStreamWaitEvent") : cudaSuccess;
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return EmulatedCuda::unless_captured("cudaEventSynchronize"); }
inline cudaError_t cudaEventQuery(cudaEvent_t) { return EmulatedCuda::unless_captured("cudaEventQuery"); }
/// Milliseconds the emulator took: nothing a device would take.
inline cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t begin, cudaEvent_t end) {
  return *ms = std::chrono::duration<float, std::milli>(end->time - begin->time).count(), cudaSuccess;
}

// ---- Launch

template <class... Params, class... Args>
cudaError_t launch_cuda(const LaunchSite& site, void (*kernel)(Params...), dim3 grid, dim3 block, size_t dynamic_shared,
                        cudaStream_t stream, const Args&... args) {
  return EmulatedCuda::launch(stream, site, kernel, grid, block, dynamic_shared, args...);
}

}  // namespace glmv_simt_facade
