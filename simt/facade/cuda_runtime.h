// Stands in for NVIDIA's header of that name: a .cu file that includes it compiles as plain C++ and runs on the
// emulator.
//
// Streams and events are tokens: everything is done when its call returns. A mistake found in a kernel makes the launch
// return cudaErrorLaunchFailure; cudaGetErrorString then gives the whole report.
#pragma once

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "simt/device_memory.h"
#include "simt/facade/common/atomics.h"
#include "simt/facade/common/block_sync.h"
#include "simt/facade/common/cuda_warp.h"
#include "simt/facade/common/device_math.h"
#include "simt/facade/common/launch.h"

#define GLMV_SIMT_CUDA 1  // for simt/gpu.h: the emulated device speaks CUDA

inline namespace glmv_simt_facade {

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInvalidDevice = 101,
  cudaErrorNotReady = 600,
  cudaErrorLaunchFailure = 719,
};
using cudaError = cudaError_t;

enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault,
};

using cudaStream_t = struct EmulatedStream*;
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

namespace cuda_state {
inline thread_local cudaError_t g_last_error = cudaSuccess;
inline cudaError_t record(cudaError_t e) {
  if (e != cudaSuccess) g_last_error = e;
  return e;
}
inline cudaError_t invalid(const std::string& why) {
  ::glmv::simt::set_report(why);
  return record(cudaErrorInvalidValue);
}
}  // namespace cuda_state

// ---- Errors

inline cudaError_t cudaPeekAtLastError() { return cuda_state::g_last_error; }
inline cudaError_t cudaGetLastError() {
  const cudaError_t e = cuda_state::g_last_error;
  cuda_state::g_last_error = cudaSuccess;
  return e;
}
inline const char* cudaGetErrorName(cudaError_t e) {
  switch (e) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorNotReady: return "cudaErrorNotReady";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
  }
  return "unknown error";
}
/// The report of the last failure where there is one.
inline const char* cudaGetErrorString(cudaError_t e) {
  const bool reported = e == cudaErrorLaunchFailure || e == cudaErrorInvalidConfiguration || e == cudaErrorInvalidValue;
  return reported ? ::glmv::simt::last_report() : cudaGetErrorName(e);
}

// ---- Device

inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaSetDevice(int device) {
  return device == 0 ? cudaSuccess : cuda_state::record(cudaErrorInvalidDevice);
}
inline cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }

/// Compute capability 9.0, shared memory as on an H100.
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  if (device != 0) return cuda_state::record(cudaErrorInvalidDevice);
  const auto limits = ::glmv::simt::settings().cuda;
  *p = {"glmv SIMT emulator", size_t{1} << 32, limits.fixed, limits.total, warpSize, 1024, 4, 9, 0, 1 << 20};
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
  return cuda_state::record(cudaErrorInvalidValue);
}
template <class Function>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Function*, int, size_t) {
  return *blocks = 1, cudaSuccess;
}

// ---- Memory

inline cudaError_t cudaMalloc(void** p, size_t bytes) {
  *p = ::glmv::simt::device_malloc(bytes);
  return bytes == 0 || *p != nullptr ? cudaSuccess : cuda_state::record(cudaErrorMemoryAllocation);
}
template <class T>
cudaError_t cudaMalloc(T** p, size_t bytes) {
  void* raw = nullptr;
  const cudaError_t e = cudaMalloc(&raw, bytes);
  *p = static_cast<T*>(raw);
  return e;
}
inline cudaError_t cudaFree(void* p) {
  if (p == nullptr || ::glmv::simt::device_free(p)) return cudaSuccess;
  return cuda_state::invalid("cudaFree of a pointer that cudaMalloc did not return");
}
template <class T>
cudaError_t cudaMallocAsync(T** p, size_t bytes, cudaStream_t) {
  return cudaMalloc(p, bytes);
}
inline cudaError_t cudaFreeAsync(void* p, cudaStream_t) { return cudaFree(p); }
template <class T>
cudaError_t cudaMallocHost(T** p, size_t bytes) {
  *p = static_cast<T*>(malloc(bytes));
  return *p != nullptr ? cudaSuccess : cuda_state::record(cudaErrorMemoryAllocation);
}
inline cudaError_t cudaFreeHost(void* p) { return free(p), cudaSuccess; }

inline cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const bool guess = kind == cudaMemcpyDefault;
  const bool to_device =
      guess ? ::glmv::simt::is_device(to) : kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device =
      guess ? ::glmv::simt::is_device(from) : kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const std::string why = ::glmv::simt::copy_refusal(to, to_device, from, from_device, bytes);
  if (!why.empty()) return cuda_state::invalid("cudaMemcpy: " + why);
  if (bytes > 0) memmove(to, from, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                                   cudaStream_t = nullptr) {
  return cudaMemcpy(to, from, bytes, kind);
}
inline cudaError_t cudaMemset(void* p, int value, size_t bytes) {
  const std::string why = ::glmv::simt::copy_refusal(p, true, p, true, bytes);
  if (!why.empty()) return cuda_state::invalid("cudaMemset: " + why);
  if (bytes > 0) memset(p, value, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t = nullptr) {
  return cudaMemset(p, value, bytes);
}
/// A __constant__ variable is an ordinary one here.
template <class T>
cudaError_t cudaMemcpyToSymbol(T& symbol, const void* from, size_t bytes, size_t offset = 0) {
  if (offset + bytes > sizeof(T)) return cuda_state::invalid("cudaMemcpyToSymbol: beyond the end of the symbol");
  memcpy(reinterpret_cast<char*>(&symbol) + offset, from, bytes);
  return cudaSuccess;
}

// ---- Streams and events

inline cudaError_t cudaStreamCreate(cudaStream_t* s) { return *s = nullptr, cudaSuccess; }
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) { return *s = nullptr, cudaSuccess; }
inline cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaStreamQuery(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned = 0) { return cudaSuccess; }

inline cudaError_t cudaEventCreate(cudaEvent_t* e) { return *e = new EmulatedEvent, cudaSuccess; }
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) { return cudaEventCreate(e); }
inline cudaError_t cudaEventDestroy(cudaEvent_t e) { return delete e, cudaSuccess; }
inline cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t = nullptr) {
  return e->time = std::chrono::steady_clock::now(), cudaSuccess;
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
/// Milliseconds the emulator took: nothing a device would take.
inline cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t begin, cudaEvent_t end) {
  return *ms = std::chrono::duration<float, std::milli>(end->time - begin->time).count(), cudaSuccess;
}

// ---- Launch

template <class... Params, class... Args>
cudaError_t launch_cuda(const LaunchSite& site, void (*kernel)(Params...), dim3 grid, dim3 block, size_t dynamic_shared,
                        cudaStream_t /*stream*/, const Args&... args) {
  switch (run_kernel(site, kernel, grid, block, dynamic_shared, args...)) {
    case ::glmv::simt::LaunchStatus::ok: return cudaSuccess;
    case ::glmv::simt::LaunchStatus::bad_config: return cuda_state::record(cudaErrorInvalidConfiguration);
    case ::glmv::simt::LaunchStatus::failed: return cuda_state::record(cudaErrorLaunchFailure);
  }
  return cudaErrorLaunchFailure;
}

}  // namespace glmv_simt_facade
