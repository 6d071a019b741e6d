// Stands in for AMD's header of that name: a .hip file that includes it compiles as plain C++ and runs on the emulator,
// at the wave width of simt::settings().
//
// Everything is done when its call returns, unless its stream is being captured: then it is kept, and done when the
// graph is launched (common/runtime.h). A mistake found in a kernel makes the launch return hipErrorLaunchFailure;
// hipGetErrorString then gives the whole report.
#pragma once

#include <chrono>
#include <cstring>

#include "simt/facade/common/atomics.h"
#include "simt/facade/common/block_sync.h"
#include "simt/facade/common/device_math.h"
#include "simt/facade/common/hip_warp.h"
#include "simt/facade/common/runtime.h"

#define GLMV_SIMT_HIP 1  // for simt/gpu.h: the emulated device speaks HIP

inline namespace glmv_simt_facade {

enum hipError_t {
  hipSuccess = 0,
  hipErrorInvalidValue = 1,
  hipErrorOutOfMemory = 2,
  hipErrorInvalidConfiguration = 9,
  hipErrorInvalidDevice = 101,
  hipErrorLaunchFailure = 719,
  hipErrorStreamCaptureUnsupported = 900,
  hipErrorStreamCaptureInvalidated = 901,
  hipErrorStreamCaptureImplicit = 906,
};

enum hipMemcpyKind {
  hipMemcpyHostToHost,
  hipMemcpyHostToDevice,
  hipMemcpyDeviceToHost,
  hipMemcpyDeviceToDevice,
  hipMemcpyDefault,
};
enum hipStreamCaptureMode {
  hipStreamCaptureModeGlobal,
  hipStreamCaptureModeThreadLocal,
  hipStreamCaptureModeRelaxed,
};
enum hipStreamCaptureStatus {
  hipStreamCaptureStatusNone,
  hipStreamCaptureStatusActive,
  hipStreamCaptureStatusInvalidated,
};

using EmulatedHip = EmulatedRuntime<hipError_t>;
using hipStream_t = EmulatedHip::Stream;
using hipGraph_t = EmulatedHip::Graph;
using hipGraphExec_t = EmulatedHip::GraphExec;
struct EmulatedHipEvent {
  std::chrono::steady_clock::time_point time;
};
using hipEvent_t = EmulatedHipEvent*;

struct hipDeviceProp_t {
  char name[256], gcnArchName[256];
  size_t totalGlobalMem, sharedMemPerBlock;
  int warpSize, maxThreadsPerBlock, multiProcessorCount, major, minor, l2CacheSize;
};

// ---- Errors

inline hipError_t hipPeekAtLastError() { return EmulatedHip::last_error; }
inline hipError_t hipGetLastError() { return EmulatedHip::take_last_error(); }
inline const char* hipGetErrorName(hipError_t e) {
  switch (e) {
    case hipSuccess: return "hipSuccess";
    case hipErrorInvalidValue: return "hipErrorInvalidValue";
    case hipErrorOutOfMemory: return "hipErrorOutOfMemory";
    case hipErrorInvalidConfiguration: return "hipErrorInvalidConfiguration";
    case hipErrorInvalidDevice: return "hipErrorInvalidDevice";
    case hipErrorLaunchFailure: return "hipErrorLaunchFailure";
    case hipErrorStreamCaptureUnsupported: return "hipErrorStreamCaptureUnsupported";
    case hipErrorStreamCaptureInvalidated: return "hipErrorStreamCaptureInvalidated";
    case hipErrorStreamCaptureImplicit: return "hipErrorStreamCaptureImplicit";
  }
  return "unknown error";
}
/// The report of the last failure where there is one.
inline const char* hipGetErrorString(hipError_t e) {
  const bool plain = e == hipSuccess || e == hipErrorOutOfMemory || e == hipErrorInvalidDevice;
  return plain ? hipGetErrorName(e) : ::glmv::simt::last_report();
}

// ---- Device

inline hipError_t hipGetDeviceCount(int* count) { return *count = 1, hipSuccess; }
inline hipError_t hipGetDevice(int* device) { return *device = 0, hipSuccess; }
inline hipError_t hipSetDevice(int device) {
  return device == 0 ? hipSuccess : EmulatedHip::record(hipErrorInvalidDevice);
}
inline hipError_t hipDeviceSynchronize() { return EmulatedHip::unless_captured("hipDeviceSynchronize"); }
inline hipError_t hipGetDeviceProperties(hipDeviceProp_t* p, int device) {
  if (device != 0) return EmulatedHip::record(hipErrorInvalidDevice);
  const int width = ::glmv::simt::warp_width_of(::glmv::simt::Dialect::hip);
  *p = {"glmv SIMT emulator",
        "emulated",
        ::glmv::simt::settings().device_bytes,
        ::glmv::simt::settings().hip.total,
        width,
        1024,
        4,
        9,
        4,
        1 << 20};
  return hipSuccess;
}

// ---- Memory

inline hipError_t hipMalloc(void** p, size_t bytes) {
  if (EmulatedHip::capturing()) return EmulatedHip::not_while_capturing("hipMalloc");
  *p = ::glmv::simt::device_malloc(bytes);
  return bytes == 0 || *p != nullptr ? hipSuccess : EmulatedHip::record(hipErrorOutOfMemory);
}
template <class T>
hipError_t hipMalloc(T** p, size_t bytes) {
  void* raw = nullptr;
  const hipError_t e = hipMalloc(&raw, bytes);
  if (e != hipErrorStreamCaptureUnsupported) *p = static_cast<T*>(raw);
  return e;
}
inline hipError_t hipFree(void* p) {
  if (EmulatedHip::capturing()) return EmulatedHip::not_while_capturing("hipFree");
  if (p == nullptr || ::glmv::simt::device_free(p)) return hipSuccess;
  return EmulatedHip::invalid("hipFree of a pointer that hipMalloc did not return");
}
template <class T>
hipError_t hipHostMalloc(T** p, size_t bytes, unsigned = 0) {
  if (EmulatedHip::capturing()) return EmulatedHip::not_while_capturing("hipHostMalloc");
  *p = static_cast<T*>(::glmv::simt::pinned_malloc(bytes));
  return *p != nullptr ? hipSuccess : EmulatedHip::record(hipErrorOutOfMemory);
}
inline hipError_t hipHostFree(void* p) {
  if (EmulatedHip::capturing()) return EmulatedHip::not_while_capturing("hipHostFree");
  if (p == nullptr || ::glmv::simt::pinned_free(p)) return hipSuccess;
  return EmulatedHip::invalid("hipHostFree of a pointer that hipHostMalloc did not return");
}

inline hipError_t hipMemcpy(void* to, const void* from, size_t bytes, hipMemcpyKind kind) {
  return EmulatedHip::copy("hipMemcpy", to, from, bytes, static_cast<CopyKind>(kind));
}
inline hipError_t hipMemcpyAsync(void* to, const void* from, size_t bytes, hipMemcpyKind kind,
                                 hipStream_t stream = nullptr) {
  return EmulatedHip::copy_on(stream, "hipMemcpyAsync", "hipHostMalloc", to, from, bytes, static_cast<CopyKind>(kind));
}
inline hipError_t hipMemGetInfo(size_t* free_bytes, size_t* total) {
  *total = ::glmv::simt::settings().device_bytes;
  const size_t used = ::glmv::simt::device_bytes_in_use();
  *free_bytes = used < *total ? *total - used : 0;
  return hipSuccess;
}
inline hipError_t hipMemset(void* p, int value, size_t bytes) {
  return EmulatedHip::set_on(nullptr, "hipMemset", p, value, bytes);
}
inline hipError_t hipMemsetAsync(void* p, int value, size_t bytes, hipStream_t stream = nullptr) {
  return EmulatedHip::set_on(stream, "hipMemsetAsync", p, value, bytes);
}

// ---- Streams and events

inline hipError_t hipStreamCreate(hipStream_t* s) { return *s = new EmulatedStream<hipError_t>, hipSuccess; }
inline hipError_t hipStreamDestroy(hipStream_t s) { return EmulatedHip::destroy(s); }
inline hipError_t hipStreamSynchronize(hipStream_t) { return EmulatedHip::unless_captured("hipStreamSynchronize"); }
inline hipError_t hipEventCreate(hipEvent_t* e) { return *e = new EmulatedHipEvent, hipSuccess; }
inline hipError_t hipEventDestroy(hipEvent_t e) { return delete e, hipSuccess; }
/// Forks and joins of captured streams are not emulated.
inline hipError_t hipEventRecord(hipEvent_t e, hipStream_t stream = nullptr) {
  if (EmulatedHip::is_captured(stream)) return EmulatedHip::not_while_capturing("hipEventRecord");
  return e->time = std::chrono::steady_clock::now(), hipSuccess;
}
inline hipError_t hipEventSynchronize(hipEvent_t) { return EmulatedHip::unless_captured("hipEventSynchronize"); }
/// Milliseconds the emulator took: nothing a device would take.
inline hipError_t hipEventElapsedTime(float* ms, hipEvent_t begin, hipEvent_t end) {
  return *ms = std::chrono::duration<float, std::milli>(end->time - begin->time).count(), hipSuccess;
}

// ---- Capture and graphs

inline hipError_t hipStreamBeginCapture(hipStream_t s, hipStreamCaptureMode) {
  return EmulatedHip::begin_capture("hipStreamBeginCapture", s);
}
inline hipError_t hipStreamIsCapturing(hipStream_t s, hipStreamCaptureStatus* status) {
  return *status = static_cast<hipStreamCaptureStatus>(EmulatedHip::status_of(s)), hipSuccess;
}
inline hipError_t hipStreamEndCapture(hipStream_t s, hipGraph_t* graph) {
  return EmulatedHip::end_capture("hipStreamEndCapture", s, graph);
}
inline hipError_t hipGraphInstantiateWithFlags(hipGraphExec_t* exec, hipGraph_t graph, unsigned long long) {
  return *exec = new EmulatedGraphExec<hipError_t>{*graph}, hipSuccess;
}
inline hipError_t hipGraphLaunch(hipGraphExec_t exec, hipStream_t) {
  return EmulatedHip::launch_graph("hipGraphLaunch", exec);
}
inline hipError_t hipGraphGetNodes(hipGraph_t graph, void* nodes, size_t* count) {
  return EmulatedHip::count_nodes("hipGraphGetNodes", graph, nodes, count);
}
inline hipError_t hipGraphDestroy(hipGraph_t graph) { return delete graph, hipSuccess; }
inline hipError_t hipGraphExecDestroy(hipGraphExec_t exec) { return delete exec, hipSuccess; }

// ---- Launch

template <class... Params, class... Args>
hipError_t launch_hip(const LaunchSite& site, void (*kernel)(Params...), dim3 grid, dim3 block, size_t dynamic_shared,
                      hipStream_t stream, const Args&... args) {
  return EmulatedHip::launch(stream, site, kernel, grid, block, dynamic_shared, args...);
}

}  // namespace glmv_simt_facade

#define hipLaunchKernelGGL(kernel, ...) \
  launch_hip({::glmv::simt::Dialect::hip, #kernel, {__FILE__, __LINE__}}, kernel, __VA_ARGS__)
