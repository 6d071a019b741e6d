// The device that kernels are planned for.
#pragma once

#include "cuda/launch.h"
#include "cuda/plan/device.h"

namespace glmv::GLMV_BACKEND {

/// The current device. Asked once: every device of a machine is taken to be of one kind.
inline const cuda_plan::Device& current_device() {
  static const cuda_plan::Device device = [] {
    int id = 0, multiprocessors = 0, shared_bytes = 0;
    launched("cudaGetDevice", cudaGetDevice(&id));
    launched("cudaDeviceGetAttribute", cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, id));
    launched("cudaDeviceGetAttribute",
             cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, id));
    return cuda_plan::Device{multiprocessors, static_cast<size_t>(shared_bytes)};
  }();
  return device;
}

/// What a block may have without asking.
constexpr size_t kPlainSharedBytes = 48 * 1024;

/// Lets a kernel have that much dynamic shared memory.
template <class Kernel>
void allow_shared(Kernel* kernel, size_t bytes) {
  if (bytes <= kPlainSharedBytes) return;
  launched("cudaFuncSetAttribute",
           cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)));
}

}  // namespace glmv::GLMV_BACKEND
