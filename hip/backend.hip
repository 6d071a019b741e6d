#include "hip/backend.h"

#include "gpu/fill.h"
#include "gpu/launch.h"
#include "gpu/naive/ops.h"
#include "hip/ops.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr bool kEmulated = GLMV_EMULATED != 0;

/// One line that names the code, whatever the driver says: no device, no driver, a device that is too old.
std::string absence() {
  int count = 0;
  const hipError_t error = hipGetDeviceCount(&count);
  if (error == hipSuccess && count > 0) return "";
  return concat("no HIP device: ", hipGetErrorString(error), " (code ", static_cast<int>(error), ")");
}

void need_device() {
  const std::string why = absence();
  if (!why.empty()) throw Error(ExitCode::no_device, why);
}

void succeeded(const char* call, hipError_t error) {
  GLMV_CHECK(error == hipSuccess, call, ": ", hipGetErrorString(error));
}

void* device_alloc(size_t bytes) {
  static const bool there = (need_device(), true);
  (void)there;
  void* data = nullptr;
  const hipError_t error = hipMalloc(&data, bytes == 0 ? 1 : bytes);
  if (error == hipErrorOutOfMemory) input_error("out of device memory: ", bytes, " bytes wanted");
  succeeded("hipMalloc", error);
  return data;
}

void device_free(void* data) { static_cast<void>(hipFree(data)); }

void to_device(void* to, const void* from, size_t bytes) {
  succeeded("copy to the device", hipMemcpy(to, from, bytes, hipMemcpyHostToDevice));
}
void to_host(void* to, const void* from, size_t bytes) {
  succeeded("copy to the host", hipMemcpy(to, from, bytes, hipMemcpyDeviceToHost));
}
hipStream_t stream_of(Stream stream) { return static_cast<hipStream_t>(stream.handle); }
void sync(Stream stream) { succeeded("synchronising", hipStreamSynchronize(stream_of(stream))); }

/// One that the default stream waits for and that waits for it: copies that wait need no stream then.
Stream make_stream() {
  need_device();
  hipStream_t stream = nullptr;
  succeeded("hipStreamCreate", hipStreamCreate(&stream));
  return {stream};
}
void free_stream(Stream stream) { static_cast<void>(hipStreamDestroy(stream_of(stream))); }

/// The runtime reads ordinary host memory before it returns.
void send(void* to, const void* from, size_t bytes, Stream stream) {
  if (bytes == 0) return;
  succeeded("copy to the device", hipMemcpyAsync(to, from, bytes, hipMemcpyHostToDevice, stream_of(stream)));
}

MemoryInfo memory() {
  need_device();
  MemoryInfo info;
  succeeded("hipMemGetInfo", hipMemGetInfo(&info.free, &info.total));
  return info;
}

/// Decode steps are not captured as graphs here.
Backend backend_with(std::string_view name, const OpTable& ops) {
  Backend b;
  b.name = name, b.space = Space::hip, b.emulated = kEmulated, b.ops = ops;
  b.alloc = device_alloc, b.free = device_free;
  b.to_device = to_device, b.to_host = to_host, b.send = send;
  b.sync = sync, b.absence = absence;
  b.make_stream = make_stream, b.free_stream = free_stream;
  b.memory = memory;
  b.fill = fill;
  return b;
}

}  // namespace

const Backend& naive_backend() {
  static const Backend backend = backend_with(kEmulated ? "hip-naive-emulated" : "hip-naive", naive::ops());
  return backend;
}

const Backend& backend() {
  static const Backend backend = backend_with(kEmulated ? "hip-emulated" : "hip", ops());
  return backend;
}

}  // namespace glmv::GLMV_BACKEND
