#include "cuda/backend.h"

#include "cuda/launch.h"
#include "cuda/ops.h"
#include "gpu/fill.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr bool kEmulated = GLMV_EMULATED != 0;

/// One line that names the code, whatever the driver says: no device, no driver, a device that is too old.
std::string absence() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return "";
  return concat("no CUDA device: ", cudaGetErrorString(error), " (code ", static_cast<int>(error), ")");
}

void need_device() {
  const std::string why = absence();
  if (!why.empty()) throw Error(ExitCode::no_device, why);
}

void succeeded(const char* call, cudaError_t error) {
  GLMV_CHECK(error == cudaSuccess, call, ": ", cudaGetErrorString(error));
}

cudaStream_t stream_of(Stream stream) { return static_cast<cudaStream_t>(stream.handle); }

void* device_alloc(size_t bytes) {
  static const bool there = (need_device(), true);
  (void)there;
  void* data = nullptr;
  const cudaError_t error = cudaMalloc(&data, bytes == 0 ? 1 : bytes);
  if (error == cudaErrorMemoryAllocation) input_error("out of device memory: ", bytes, " bytes wanted");
  succeeded("cudaMalloc", error);
  return data;
}

void device_free(void* data) { cudaFree(data); }

void to_device(void* to, const void* from, size_t bytes) {
  succeeded("copy to the device", cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice));
}
void to_host(void* to, const void* from, size_t bytes) {
  succeeded("copy to the host", cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost));
}
void sync(Stream stream) { succeeded("synchronising", cudaStreamSynchronize(stream_of(stream))); }

/// One that the default stream waits for and that waits for it: copies that wait need no stream then.
Stream make_stream() {
  static const bool there = (need_device(), true);
  (void)there;
  cudaStream_t stream = nullptr;
  succeeded("cudaStreamCreate", cudaStreamCreate(&stream));
  return {stream};
}
void free_stream(Stream stream) { cudaStreamDestroy(stream_of(stream)); }

/// The runtime reads ordinary host memory before it returns, without waiting for the device.
void send(void* to, const void* from, size_t bytes, Stream stream) {
  if (bytes == 0) return;
  succeeded("copy to the device", cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(stream)));
}

MemoryInfo memory() {
  need_device();
  MemoryInfo info;
  succeeded("cudaMemGetInfo", cudaMemGetInfo(&info.free, &info.total));
  return info;
}

void begin_capture(Stream stream) {
  succeeded("cudaStreamBeginCapture", cudaStreamBeginCapture(stream_of(stream), cudaStreamCaptureModeThreadLocal));
}

void* end_capture(Stream stream) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t ready = nullptr;
  succeeded("capturing a step", cudaStreamEndCapture(stream_of(stream), &graph));
  const cudaError_t error = cudaGraphInstantiateWithFlags(&ready, graph, 0);
  cudaGraphDestroy(graph);
  succeeded("cudaGraphInstantiate", error);
  return ready;
}

void abandon_capture(Stream stream) {
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(stream_of(stream), &graph);
  if (graph != nullptr) cudaGraphDestroy(graph);
  cudaGetLastError();  // whoever abandons it has the error already
}

void launch_graph(void* graph, Stream stream) {
  launched("a captured step", cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), stream_of(stream)));
}

void free_graph(void* graph) { cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)); }

void* make_event() {
  cudaEvent_t event = nullptr;
  succeeded("cudaEventCreate", cudaEventCreate(&event));
  return event;
}
void record_event(void* event, Stream stream) {
  succeeded("cudaEventRecord", cudaEventRecord(static_cast<cudaEvent_t>(event), stream_of(stream)));
}
double seconds_between(void* first, void* last) {
  float milliseconds = 0;
  succeeded("cudaEventSynchronize", cudaEventSynchronize(static_cast<cudaEvent_t>(last)));
  succeeded("cudaEventElapsedTime",
            cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(first), static_cast<cudaEvent_t>(last)));
  return static_cast<double>(milliseconds) * 1e-3;
}
void free_event(void* event) { cudaEventDestroy(static_cast<cudaEvent_t>(event)); }

DeviceFacts describe() {
  need_device();
  int id = 0;
  cudaDeviceProp p = {};
  succeeded("cudaGetDevice", cudaGetDevice(&id));
  succeeded("cudaGetDeviceProperties", cudaGetDeviceProperties(&p, id));
  DeviceFacts facts;
  facts.name = p.name;
  facts.l2_bytes = p.l2CacheSize, facts.multiprocessors = p.multiProcessorCount;
#if !GLMV_EMULATED
  succeeded("cudaDriverGetVersion", cudaDriverGetVersion(&facts.driver));
  succeeded("cudaRuntimeGetVersion", cudaRuntimeGetVersion(&facts.runtime));
#endif
  return facts;
}

Backend backend_with(std::string_view name, const OpTable& ops) {
  Backend b;
  b.name = name, b.space = Space::cuda, b.emulated = kEmulated, b.ops = ops;
  b.alloc = device_alloc, b.free = device_free;
  b.to_device = to_device, b.to_host = to_host, b.send = send;
  b.sync = sync, b.absence = absence;
  b.make_stream = make_stream, b.free_stream = free_stream;
  b.memory = memory;
  b.fill = fill;
  b.graphs = {begin_capture, end_capture, abandon_capture, launch_graph, free_graph};
  b.events = {make_event, record_event, seconds_between, free_event};
  b.describe = describe;
  return b;
}

}  // namespace

const Backend& naive_backend() {
  static const Backend backend = backend_with(kEmulated ? "cuda-naive-emulated" : "cuda-naive", naive::ops());
  return backend;
}

const Backend& backend() {
  static const Backend backend = backend_with(kEmulated ? "cuda-emulated" : "cuda", ops());
  return backend;
}

}  // namespace glmv::GLMV_BACKEND
