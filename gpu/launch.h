// What every kernel file includes first: the vendor's header (or the emulator's), launches that report their errors,
// and the grid of the plain kernels.
#pragma once

#include "gpu/vendor.h"
#include "reference/core/exec.h"
#include "reference/core/view.h"

namespace glmv::GLMV_BACKEND {

inline gpu_stream_t stream_of(const Exec& exec) { return static_cast<gpu_stream_t>(exec.stream.handle); }

/// Throws what a launch reports: on a device a wrong configuration, in the emulator also what went wrong in the kernel.
inline void launched(const char* kernel, gpu_error_t error) {
  GLMV_CHECK(error == gpu_error_t{}, kernel, ": ", gpu_error_text(error));
}

constexpr int kPlainThreads = 256;

inline unsigned blocks_for(int64_t threads) {
  return static_cast<unsigned>((threads + kPlainThreads - 1) / kPlainThreads);
}

/// The thread's number in a grid of one dimension.
__device__ inline int64_t thread_number() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }

}  // namespace glmv::GLMV_BACKEND

/// kernel<<<grid, block, shared_bytes>>>(...) on the op's stream; grid and block are dim3.
#define GLMV_LAUNCH(kernel, grid, block, shared_bytes, exec, ...) \
  launched(#kernel, gpu_launch(kernel, grid, block, shared_bytes, stream_of(exec), __VA_ARGS__))

/// One thread per number below `count`; the last block has threads to spare. Nothing for a count of zero.
#define GLMV_LAUNCH_EACH(kernel, count, exec, ...) \
  if ((count) > 0) GLMV_LAUNCH(kernel, dim3(blocks_for(count)), dim3(kPlainThreads), 0, exec, __VA_ARGS__)
