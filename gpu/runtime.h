// What a backend does through its vendor's runtime: memory, copies, streams, graphs. CUDA and HIP have the same calls.
#pragma once

#include <string_view>

#include "gpu/expert_table.h"
#include "gpu/fill.h"
#include "gpu/launch.h"
#include "reference/core/backend.h"

namespace glmv::GLMV_BACKEND {

constexpr bool kEmulated = GLMV_EMULATED != 0;
constexpr Space kSpace = std::string_view(GPU_VENDOR) == "CUDA" ? Space::cuda : Space::hip;
constexpr gpu_error_t kOutOfMemory = static_cast<gpu_error_t>(2);  // one number, two names

inline void succeeded(const char* what, gpu_error_t error) {
  GLMV_CHECK(error == GPU_RUNTIME(Success), what, ": ", gpu_error_text(error));
}
inline gpu_stream_t stream_of(Stream stream) { return static_cast<gpu_stream_t>(stream.handle); }

// ---- Device

/// One line that names the code, whatever the driver says: no device, no driver, a device that is too old.
inline std::string absence() {
  int count = 0;
  const gpu_error_t error = GPU_RUNTIME(GetDeviceCount)(&count);
  if (error == GPU_RUNTIME(Success) && count > 0) return "";
  return concat("no " GPU_VENDOR " device: ", gpu_error_text(error), " (code ", static_cast<int>(error), ")");
}

/// Error, exit code 5, where there is none; looked for once.
inline void need_device() {
  static const bool there = [] {
    const std::string why = absence();
    if (!why.empty()) throw Error(ExitCode::no_device, why);
    return true;
  }();
  static_cast<void>(there);
}

// ---- Memory

inline void* device_alloc(size_t bytes) {
  need_device();
  void* data = nullptr;
  const gpu_error_t error = GPU_RUNTIME(Malloc)(&data, bytes == 0 ? 1 : bytes);
  if (error == kOutOfMemory) input_error("out of device memory: ", bytes, " bytes wanted");
  succeeded("allocating device memory", error);
  return data;
}
inline void device_free(void* data) { static_cast<void>(GPU_RUNTIME(Free)(data)); }

inline void to_device(void* to, const void* from, size_t bytes) {
  succeeded("copy to the device", GPU_RUNTIME(Memcpy)(to, from, bytes, GPU_RUNTIME(MemcpyHostToDevice)));
}
inline void to_host(void* to, const void* from, size_t bytes) {
  succeeded("copy to the host", GPU_RUNTIME(Memcpy)(to, from, bytes, GPU_RUNTIME(MemcpyDeviceToHost)));
}
/// The runtime reads ordinary host memory before it returns, without waiting for the device.
inline void send(void* to, const void* from, size_t bytes, Stream stream) {
  if (bytes == 0) return;
  constexpr auto kKind = GPU_RUNTIME(MemcpyHostToDevice);
  succeeded("copy to the device", GPU_RUNTIME(MemcpyAsync)(to, from, bytes, kKind, stream_of(stream)));
}

inline MemoryInfo memory() {
  need_device();
  MemoryInfo info;
  succeeded("asking for free memory", GPU_RUNTIME(MemGetInfo)(&info.free, &info.total));
  return info;
}

// ---- Streams

/// One that the default stream waits for and that waits for it: copies that wait need no stream then.
inline Stream make_stream() {
  need_device();
  gpu_stream_t stream = nullptr;
  succeeded("making a stream", GPU_RUNTIME(StreamCreate)(&stream));
  return {stream};
}
inline void free_stream(Stream stream) { static_cast<void>(GPU_RUNTIME(StreamDestroy)(stream_of(stream))); }
inline void sync(Stream stream) { succeeded("synchronising", GPU_RUNTIME(StreamSynchronize)(stream_of(stream))); }

// ---- Graphs

using gpu_graph_t = GPU_RUNTIME(Graph_t);
using gpu_graph_exec_t = GPU_RUNTIME(GraphExec_t);

inline void begin_capture(Stream stream) {
  constexpr auto kMode = GPU_RUNTIME(StreamCaptureModeThreadLocal);
  succeeded("beginning to capture a step", GPU_RUNTIME(StreamBeginCapture)(stream_of(stream), kMode));
}

inline void* end_capture(Stream stream) {
  gpu_graph_t graph = nullptr;
  gpu_graph_exec_t ready = nullptr;
  succeeded("capturing a step", GPU_RUNTIME(StreamEndCapture)(stream_of(stream), &graph));
  const gpu_error_t error = GPU_RUNTIME(GraphInstantiateWithFlags)(&ready, graph, 0);
  static_cast<void>(GPU_RUNTIME(GraphDestroy)(graph));
  succeeded("making a graph of a captured step", error);
  return ready;
}

inline void abandon_capture(Stream stream) {
  gpu_graph_t graph = nullptr;
  static_cast<void>(GPU_RUNTIME(StreamEndCapture)(stream_of(stream), &graph));
  if (graph != nullptr) static_cast<void>(GPU_RUNTIME(GraphDestroy)(graph));
  static_cast<void>(GPU_RUNTIME(GetLastError)());  // whoever abandons it has the error already
}

inline void launch_graph(void* graph, Stream stream) {
  launched("a captured step", GPU_RUNTIME(GraphLaunch)(static_cast<gpu_graph_exec_t>(graph), stream_of(stream)));
}
inline void free_graph(void* graph) {
  static_cast<void>(GPU_RUNTIME(GraphExecDestroy)(static_cast<gpu_graph_exec_t>(graph)));
}

// ---- Events and facts, for timing

using gpu_event_t = GPU_RUNTIME(Event_t);

inline void* make_event() {
  gpu_event_t event = nullptr;
  succeeded("making an event", GPU_RUNTIME(EventCreate)(&event));
  return event;
}
inline void record_event(void* event, Stream stream) {
  succeeded("recording an event", GPU_RUNTIME(EventRecord)(static_cast<gpu_event_t>(event), stream_of(stream)));
}
inline double seconds_between(void* first, void* last) {
  float milliseconds = 0;
  succeeded("waiting for an event", GPU_RUNTIME(EventSynchronize)(static_cast<gpu_event_t>(last)));
  succeeded("the time between events", GPU_RUNTIME(EventElapsedTime)(&milliseconds, static_cast<gpu_event_t>(first),
                                                                     static_cast<gpu_event_t>(last)));
  return static_cast<double>(milliseconds) * 1e-3;
}
inline void free_event(void* event) { static_cast<void>(GPU_RUNTIME(EventDestroy)(static_cast<gpu_event_t>(event))); }

inline DeviceFacts describe() {
  need_device();
  int id = 0;
  gpu_device_properties_t p = {};
  succeeded("the current device", GPU_RUNTIME(GetDevice)(&id));
  succeeded("the device's properties", GPU_RUNTIME(GetDeviceProperties)(&p, id));
  DeviceFacts facts;
  facts.name = p.name;
  facts.l2_bytes = p.l2CacheSize;
  facts.multiprocessors = p.multiProcessorCount;
#if !GLMV_EMULATED
  succeeded("the driver's version", GPU_RUNTIME(DriverGetVersion)(&facts.driver));
  succeeded("the runtime's version", GPU_RUNTIME(RuntimeGetVersion)(&facts.runtime));
#endif
  return facts;
}

// ---- All of it

inline Backend backend_with(std::string_view name, const OpTable& ops) {
  Backend b;
  b.name = name, b.space = kSpace, b.emulated = kEmulated, b.ops = ops;
  b.alloc = device_alloc, b.free = device_free;
  b.to_device = to_device, b.to_host = to_host, b.send = send;
  b.sync = sync, b.absence = absence;
  b.make_stream = make_stream, b.free_stream = free_stream;
  b.memory = memory;
  b.fill = fill;
  b.experts_bytes = experts_bytes, b.write_experts = write_experts;
  b.graphs = {begin_capture, end_capture, abandon_capture, launch_graph, free_graph};
  b.events = {make_event, record_event, seconds_between, free_event};
  b.describe = describe;
  return b;
}

}  // namespace glmv::GLMV_BACKEND
