// Errors, streams, capture and graphs of the emulated CUDA runtime, under CUDA's names; a part of cuda_runtime.h. What
// they do stands in common/runtime.h.
#pragma once

#include "simt/facade/common/runtime.h"

inline namespace glmv_simt_facade {

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInvalidDevice = 101,
  cudaErrorNotReady = 600,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorStreamCaptureImplicit = 906,
};
using cudaError = cudaError_t;

enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault,
};
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed,
};
enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone,
  cudaStreamCaptureStatusActive,
  cudaStreamCaptureStatusInvalidated,
};

using EmulatedCuda = EmulatedRuntime<cudaError_t>;
using cudaStream_t = EmulatedCuda::Stream;
using cudaGraph_t = EmulatedCuda::Graph;
using cudaGraphExec_t = EmulatedCuda::GraphExec;

// ---- Errors

inline cudaError_t cudaPeekAtLastError() { return EmulatedCuda::last_error; }
inline cudaError_t cudaGetLastError() { return EmulatedCuda::take_last_error(); }
inline const char* cudaGetErrorName(cudaError_t e) {
  switch (e) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorNotReady: return "cudaErrorNotReady";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated: return "cudaErrorStreamCaptureInvalidated";
    case cudaErrorStreamCaptureImplicit: return "cudaErrorStreamCaptureImplicit";
  }
  return "unknown error";
}
/// The report of the last failure where there is one.
inline const char* cudaGetErrorString(cudaError_t e) {
  const bool plain = e == cudaSuccess || e == cudaErrorMemoryAllocation || e == cudaErrorInvalidDevice;
  return plain || e == cudaErrorNotReady ? cudaGetErrorName(e) : ::glmv::simt::last_report();
}

// ---- Streams

inline cudaError_t cudaStreamCreate(cudaStream_t* s) { return *s = new EmulatedStream<cudaError_t>, cudaSuccess; }
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) { return cudaStreamCreate(s); }
inline cudaError_t cudaStreamDestroy(cudaStream_t s) { return EmulatedCuda::destroy(s); }
inline cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return EmulatedCuda::unless_captured("cudaStreamSynchronize");
}
inline cudaError_t cudaStreamQuery(cudaStream_t) { return EmulatedCuda::unless_captured("cudaStreamQuery"); }

// ---- Capture

inline cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
  return EmulatedCuda::begin_capture("cudaStreamBeginCapture", s);
}
inline cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus* status) {
  return *status = static_cast<cudaStreamCaptureStatus>(EmulatedCuda::status_of(s)), cudaSuccess;
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* graph) {
  return EmulatedCuda::end_capture("cudaStreamEndCapture", s, graph);
}

// ---- Graphs

inline cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  return *exec = new EmulatedGraphExec<cudaError_t>{*graph}, cudaSuccess;
}
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t) {
  return EmulatedCuda::launch_graph("cudaGraphLaunch", exec);
}
inline cudaError_t cudaGraphGetNodes(cudaGraph_t graph, void* nodes, size_t* count) {
  return EmulatedCuda::count_nodes("cudaGraphGetNodes", graph, nodes, count);
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { return delete exec, cudaSuccess; }

}  // namespace glmv_simt_facade
