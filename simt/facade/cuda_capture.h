// Errors, streams, capture and graphs of the emulated CUDA runtime; a part of cuda_runtime.h.
//
// While a stream is captured its launches and copies are kept instead of done. What a device forbids then is an error
// here too, and spoils the capture: so a step that is captured on the emulator can be captured on a device. The rules
// are those of cudaStreamCaptureModeThreadLocal, whatever mode is asked for.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "simt/device_memory.h"
#include "simt/engine.h"

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

/// What a captured stream was given to do, in order.
struct EmulatedGraph {
  std::vector<std::function<cudaError_t()>> nodes;
};
struct EmulatedStream {
  std::unique_ptr<EmulatedGraph> captured;  ///< null: not being captured
  bool spoiled = false;                     ///< something forbidden was called
};
using cudaStream_t = EmulatedStream*;
using cudaGraph_t = EmulatedGraph*;
using cudaGraphExec_t = struct EmulatedGraphExec*;
struct EmulatedGraphExec {
  EmulatedGraph graph;
};

namespace cuda_state {
inline thread_local cudaError_t g_last_error = cudaSuccess;
inline thread_local std::vector<cudaStream_t> g_captured;  // streams that this thread is capturing

inline cudaError_t record(cudaError_t e) {
  if (e != cudaSuccess) g_last_error = e;
  return e;
}
inline cudaError_t refused(cudaError_t e, const std::string& why) {
  ::glmv::simt::set_report(why);
  return record(e);
}
inline cudaError_t invalid(const std::string& why) { return refused(cudaErrorInvalidValue, why); }

inline bool capturing() { return !g_captured.empty(); }
inline bool is_captured(cudaStream_t s) { return s != nullptr && s->captured != nullptr; }

/// An error that spoils every capture of this thread.
inline cudaError_t spoil(cudaError_t e, const std::string& why) {
  for (const cudaStream_t s : g_captured) s->spoiled = true;
  return refused(e, why);
}
inline cudaError_t not_while_capturing(const char* call) {
  return spoil(cudaErrorStreamCaptureUnsupported, std::string(call) + " while a stream is captured");
}
inline cudaError_t unless_captured(const char* call) { return capturing() ? not_while_capturing(call) : cudaSuccess; }
/// The default stream waits for the others, so what it is given would have to wait for the captured one.
inline cudaError_t implicit(const char* call) {
  return spoil(cudaErrorStreamCaptureImplicit, std::string(call) + " on the default stream while another is captured");
}

template <class F>
cudaError_t keep(cudaStream_t s, F f) {
  s->captured->nodes.emplace_back(std::move(f));
  return cudaSuccess;
}

inline cudaError_t copy_now(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const bool guess = kind == cudaMemcpyDefault;
  const bool to_device =
      guess ? ::glmv::simt::is_device(to) : kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device =
      guess ? ::glmv::simt::is_device(from) : kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const std::string why = ::glmv::simt::copy_refusal(to, to_device, from, from_device, bytes);
  if (!why.empty()) return invalid("cudaMemcpy: " + why);
  if (bytes > 0) memmove(to, from, bytes);
  return cudaSuccess;
}

/// A copy in a graph reads and writes when the graph is launched: host memory must still be there then, and only
/// cudaMallocHost promises that.
inline cudaError_t capture_copy(cudaStream_t s, void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  for (const void* p : {static_cast<const void*>(to), from}) {
    if (::glmv::simt::is_device(p) || ::glmv::simt::is_pinned(p)) continue;
    return spoil(cudaErrorStreamCaptureUnsupported,
                 "cudaMemcpyAsync of host memory that cudaMallocHost did not return while the stream is captured");
  }
  return keep(s, [=] { return copy_now(to, from, bytes, kind); });
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

inline cudaError_t cudaStreamCreate(cudaStream_t* s) { return *s = new EmulatedStream, cudaSuccess; }
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) { return cudaStreamCreate(s); }
inline cudaError_t cudaStreamDestroy(cudaStream_t s) {
  auto& all = cuda_state::g_captured;
  all.erase(std::remove(all.begin(), all.end(), s), all.end());
  return delete s, cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cuda_state::unless_captured("cudaStreamSynchronize"); }
inline cudaError_t cudaStreamQuery(cudaStream_t) { return cuda_state::unless_captured("cudaStreamQuery"); }

// ---- Capture

inline cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
  if (s == nullptr) return cuda_state::refused(cudaErrorStreamCaptureUnsupported, "the default stream is not captured");
  if (s->captured) return cuda_state::invalid("cudaStreamBeginCapture of a stream that is captured already");
  s->captured = std::make_unique<EmulatedGraph>();
  s->spoiled = false;
  cuda_state::g_captured.push_back(s);
  return cudaSuccess;
}
inline cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus* status) {
  *status = !cuda_state::is_captured(s) ? cudaStreamCaptureStatusNone
            : s->spoiled                ? cudaStreamCaptureStatusInvalidated
                                        : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
/// The graph; null and an error if something forbidden was called meanwhile (the report is still that call's).
inline cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* graph) {
  *graph = nullptr;
  if (!cuda_state::is_captured(s)) return cuda_state::invalid("cudaStreamEndCapture of a stream that is not captured");
  auto& all = cuda_state::g_captured;
  all.erase(std::remove(all.begin(), all.end(), s), all.end());
  const std::unique_ptr<EmulatedGraph> captured = std::move(s->captured);
  if (s->spoiled) return cuda_state::record(cudaErrorStreamCaptureInvalidated);
  *graph = new EmulatedGraph(*captured);
  return cudaSuccess;
}

// ---- Graphs

inline cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  return *exec = new EmulatedGraphExec{*graph}, cudaSuccess;
}
/// Runs the nodes in order, up to the first that fails.
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t) {
  if (cuda_state::capturing()) return cuda_state::not_while_capturing("cudaGraphLaunch");
  for (const auto& node : exec->graph.nodes) {
    if (const cudaError_t e = node(); e != cudaSuccess) return e;
  }
  return cudaSuccess;
}
/// Nodes there are; `nodes` must be null.
inline cudaError_t cudaGraphGetNodes(cudaGraph_t graph, void* nodes, size_t* count) {
  if (nodes != nullptr) return cuda_state::invalid("cudaGraphGetNodes: nodes themselves are not emulated");
  return *count = graph->nodes.size(), cudaSuccess;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { return delete exec, cudaSuccess; }

}  // namespace glmv_simt_facade
