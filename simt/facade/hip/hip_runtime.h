// Stands in for AMD's header of that name: a .hip file that includes it compiles as plain C++ and runs on the emulator,
// at the wave width of simt::settings().
//
// Streams and events are tokens: everything is done when its call returns. A mistake found in a kernel makes the launch
// return hipErrorLaunchFailure; hipGetErrorString then gives the whole report.
#pragma once

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "simt/device_memory.h"
#include "simt/facade/common/atomics.h"
#include "simt/facade/common/block_sync.h"
#include "simt/facade/common/device_math.h"
#include "simt/facade/common/hip_warp.h"
#include "simt/facade/common/launch.h"

#define GLMV_SIMT_HIP 1  // for simt/gpu.h: the emulated device speaks HIP

inline namespace glmv_simt_facade {

enum hipError_t {
  hipSuccess = 0,
  hipErrorInvalidValue = 1,
  hipErrorOutOfMemory = 2,
  hipErrorInvalidConfiguration = 9,
  hipErrorInvalidDevice = 101,
  hipErrorLaunchFailure = 719,
};

enum hipMemcpyKind {
  hipMemcpyHostToHost,
  hipMemcpyHostToDevice,
  hipMemcpyDeviceToHost,
  hipMemcpyDeviceToDevice,
  hipMemcpyDefault,
};

using hipStream_t = struct EmulatedHipStream*;
struct EmulatedHipEvent {
  std::chrono::steady_clock::time_point time;
};
using hipEvent_t = EmulatedHipEvent*;

struct hipDeviceProp_t {
  char name[256], gcnArchName[256];
  size_t totalGlobalMem, sharedMemPerBlock;
  int warpSize, maxThreadsPerBlock, multiProcessorCount, major, minor;
};

namespace hip_state {
inline thread_local hipError_t g_last_error = hipSuccess;
inline hipError_t record(hipError_t e) {
  if (e != hipSuccess) g_last_error = e;
  return e;
}
inline hipError_t invalid(const std::string& why) {
  ::glmv::simt::set_report(why);
  return record(hipErrorInvalidValue);
}
}  // namespace hip_state

// ---- Errors

inline hipError_t hipPeekAtLastError() { return hip_state::g_last_error; }
inline hipError_t hipGetLastError() {
  const hipError_t e = hip_state::g_last_error;
  hip_state::g_last_error = hipSuccess;
  return e;
}
inline const char* hipGetErrorName(hipError_t e) {
  switch (e) {
    case hipSuccess: return "hipSuccess";
    case hipErrorInvalidValue: return "hipErrorInvalidValue";
    case hipErrorOutOfMemory: return "hipErrorOutOfMemory";
    case hipErrorInvalidConfiguration: return "hipErrorInvalidConfiguration";
    case hipErrorInvalidDevice: return "hipErrorInvalidDevice";
    case hipErrorLaunchFailure: return "hipErrorLaunchFailure";
  }
  return "unknown error";
}
/// The report of the last failure where there is one.
inline const char* hipGetErrorString(hipError_t e) {
  const bool reported = e == hipErrorLaunchFailure || e == hipErrorInvalidConfiguration || e == hipErrorInvalidValue;
  return reported ? ::glmv::simt::last_report() : hipGetErrorName(e);
}

// ---- Device

inline hipError_t hipGetDeviceCount(int* count) { return *count = 1, hipSuccess; }
inline hipError_t hipGetDevice(int* device) { return *device = 0, hipSuccess; }
inline hipError_t hipSetDevice(int device) {
  return device == 0 ? hipSuccess : hip_state::record(hipErrorInvalidDevice);
}
inline hipError_t hipDeviceSynchronize() { return hipSuccess; }
inline hipError_t hipGetDeviceProperties(hipDeviceProp_t* p, int device) {
  if (device != 0) return hip_state::record(hipErrorInvalidDevice);
  const int width = ::glmv::simt::warp_width_of(::glmv::simt::Dialect::hip);
  *p = {"glmv SIMT emulator",
        "emulated",
        ::glmv::simt::settings().device_bytes,
        ::glmv::simt::settings().hip.total,
        width,
        1024,
        4,
        9,
        4};
  return hipSuccess;
}

// ---- Memory

inline hipError_t hipMalloc(void** p, size_t bytes) {
  *p = ::glmv::simt::device_malloc(bytes);
  return bytes == 0 || *p != nullptr ? hipSuccess : hip_state::record(hipErrorOutOfMemory);
}
template <class T>
hipError_t hipMalloc(T** p, size_t bytes) {
  void* raw = nullptr;
  const hipError_t e = hipMalloc(&raw, bytes);
  *p = static_cast<T*>(raw);
  return e;
}
inline hipError_t hipFree(void* p) {
  if (p == nullptr || ::glmv::simt::device_free(p)) return hipSuccess;
  return hip_state::invalid("hipFree of a pointer that hipMalloc did not return");
}
inline hipError_t hipHostMalloc(void** p, size_t bytes, unsigned = 0) {
  *p = malloc(bytes);
  return *p != nullptr ? hipSuccess : hip_state::record(hipErrorOutOfMemory);
}
inline hipError_t hipHostFree(void* p) { return free(p), hipSuccess; }

inline hipError_t hipMemcpy(void* to, const void* from, size_t bytes, hipMemcpyKind kind) {
  const bool guess = kind == hipMemcpyDefault;
  const bool to_device =
      guess ? ::glmv::simt::is_device(to) : kind == hipMemcpyHostToDevice || kind == hipMemcpyDeviceToDevice;
  const bool from_device =
      guess ? ::glmv::simt::is_device(from) : kind == hipMemcpyDeviceToHost || kind == hipMemcpyDeviceToDevice;
  const std::string why = ::glmv::simt::copy_refusal(to, to_device, from, from_device, bytes);
  if (!why.empty()) return hip_state::invalid("hipMemcpy: " + why);
  if (bytes > 0) memmove(to, from, bytes);
  return hipSuccess;
}
inline hipError_t hipMemcpyAsync(void* to, const void* from, size_t bytes, hipMemcpyKind kind, hipStream_t = nullptr) {
  return hipMemcpy(to, from, bytes, kind);
}
inline hipError_t hipMemGetInfo(size_t* free_bytes, size_t* total) {
  *total = ::glmv::simt::settings().device_bytes;
  const size_t used = ::glmv::simt::device_bytes_in_use();
  *free_bytes = used < *total ? *total - used : 0;
  return hipSuccess;
}
inline hipError_t hipMemset(void* p, int value, size_t bytes) {
  const std::string why = ::glmv::simt::copy_refusal(p, true, p, true, bytes);
  if (!why.empty()) return hip_state::invalid("hipMemset: " + why);
  if (bytes > 0) memset(p, value, bytes);
  return hipSuccess;
}
inline hipError_t hipMemsetAsync(void* p, int value, size_t bytes, hipStream_t = nullptr) {
  return hipMemset(p, value, bytes);
}

// ---- Streams and events

inline hipError_t hipStreamCreate(hipStream_t* s) { return *s = nullptr, hipSuccess; }
inline hipError_t hipStreamDestroy(hipStream_t) { return hipSuccess; }
inline hipError_t hipStreamSynchronize(hipStream_t) { return hipSuccess; }
inline hipError_t hipEventCreate(hipEvent_t* e) { return *e = new EmulatedHipEvent, hipSuccess; }
inline hipError_t hipEventDestroy(hipEvent_t e) { return delete e, hipSuccess; }
inline hipError_t hipEventRecord(hipEvent_t e, hipStream_t = nullptr) {
  return e->time = std::chrono::steady_clock::now(), hipSuccess;
}
inline hipError_t hipEventSynchronize(hipEvent_t) { return hipSuccess; }
/// Milliseconds the emulator took: nothing a device would take.
inline hipError_t hipEventElapsedTime(float* ms, hipEvent_t begin, hipEvent_t end) {
  return *ms = std::chrono::duration<float, std::milli>(end->time - begin->time).count(), hipSuccess;
}

// ---- Launch

template <class... Params, class... Args>
hipError_t launch_hip(const LaunchSite& site, void (*kernel)(Params...), dim3 grid, dim3 block, size_t dynamic_shared,
                      hipStream_t /*stream*/, const Args&... args) {
  switch (run_kernel(site, kernel, grid, block, dynamic_shared, args...)) {
    case ::glmv::simt::LaunchStatus::ok: return hipSuccess;
    case ::glmv::simt::LaunchStatus::bad_config: return hip_state::record(hipErrorInvalidConfiguration);
    case ::glmv::simt::LaunchStatus::failed: return hip_state::record(hipErrorLaunchFailure);
  }
  return hipErrorLaunchFailure;
}

}  // namespace glmv_simt_facade

#define hipLaunchKernelGGL(kernel, ...) \
  launch_hip({::glmv::simt::Dialect::hip, #kernel, {__FILE__, __LINE__}}, kernel, __VA_ARGS__)
