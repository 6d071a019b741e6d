#include "cuda/backend.h"

#include "cuda/launch.h"
#include "cuda/ops.h"
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
void sync(Stream stream) {
  succeeded("synchronising", cudaStreamSynchronize(static_cast<cudaStream_t>(stream.handle)));
}

Backend backend_with(std::string_view name, const OpTable& ops) {
  return {name, Space::cuda, kEmulated, ops, device_alloc, device_free, to_device, to_host, sync, absence};
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
