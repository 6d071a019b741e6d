// Mistakes with memory: some show as NaN or as a report in a plain run, the others only under a sanitizer.
// "// @word" marks the line a report must name.
#include <cuda_runtime.h>

#include "simt/gpu.h"
#include "simt/ptx.h"
#include "tests/simt/kernels/mistakes.h"

GLMV_DECLARE_MISTAKES(GLMV_BACKEND, memory_mistakes)

namespace glmv::GLMV_BACKEND {
namespace {

// ---- Found by a plain run

__global__ void read_before_write_kernel(float* data, int) {
  GPU_SHARED(float, tile, [64]);
  data[threadIdx.x] = tile[threadIdx.x];
}

__global__ void copy_not_waited_kernel(float* data, int) {
  GPU_SHARED(float, tile, [64][4]);
  ptx::cp_async_16(tile[threadIdx.x], data + 256 + size_t(4) * threadIdx.x);
  ptx::cp_async_commit();
  data[threadIdx.x] = tile[threadIdx.x][0];  // too early
  ptx::cp_async_wait<0>();
  data[64 + threadIdx.x] = tile[threadIdx.x][0];
}

// Waiting for all but one group leaves the group that is read unfinished.
__global__ void copy_waited_too_little_kernel(float* data, int) {
  GPU_SHARED(float, tile, [64][4]);
  ptx::cp_async_16(tile[threadIdx.x], data + 256 + size_t(4) * threadIdx.x);
  ptx::cp_async_commit();
  ptx::cp_async_wait<1>();
  data[threadIdx.x] = tile[threadIdx.x][0];
  ptx::cp_async_wait<0>();
}

__global__ void copy_at_end_kernel(float* data, int) {
  GPU_SHARED(float, tile, [64][4]);
  ptx::cp_async_16(tile[threadIdx.x], data + 256);  // @copy_at_end
  ptx::cp_async_commit();
}

__global__ void copy_misaligned_kernel(float* data, int) {
  GPU_SHARED(float, tile, [64][4]);
  ptx::cp_async_16(tile[threadIdx.x], data + 1);  // @copy_misaligned
  ptx::cp_async_wait_all();
}

__global__ void copy_to_global_kernel(float* data, int) {
  ptx::cp_async_16(data, data + 256);  // @copy_to_global
  ptx::cp_async_wait_all();
}

__global__ void ldmatrix_misaligned_kernel(float* data, int) {
  GPU_SHARED(uint16_t, rows, [32][9]);
  uint32_t out[4];
  ptx::ldmatrix_x4(out, rows[threadIdx.x % 32]);  // @ldmatrix_misaligned
  data[threadIdx.x] = static_cast<float>(out[0]);
}

constexpr int kTooMany = GLMV_EMULATED ? 9000 : 1;  // ptxas would refuse the kernel

__global__ void too_much_shared_kernel(float* data, int) {
  GPU_SHARED(float, small, [4096]);
  GPU_SHARED(float, large, [kTooMany]);  // @too_much_shared
  small[threadIdx.x] = large[0] = 1;
  data[threadIdx.x] = small[0] + large[0];
}

// ---- Found by AddressSanitizer and UndefinedBehaviorSanitizer

__global__ void shared_overrun_kernel(float* data, int count) {
  GPU_SHARED(float, tile, [64]);
  tile[threadIdx.x] = 1;
  __syncthreads();
  float* p = tile;                                    // a pointer: the compiler no longer knows the extent
  data[threadIdx.x] = p[threadIdx.x + count - 4095];  // @shared_overrun
}

__global__ void shared_index_kernel(float* data, int count) {
  GPU_SHARED(float, tile, [64]);
  tile[threadIdx.x] = 1;
  __syncthreads();
  data[threadIdx.x] = tile[threadIdx.x + count - 4095];  // @shared_index
}

__global__ void dynamic_overrun_kernel(float* data, int) {
  GPU_DYNAMIC_SHARED(float, row);
  row[threadIdx.x + 1] = 1;  // @dynamic_overrun
  data[threadIdx.x] = 1;
}

__global__ void global_overrun_kernel(float* data, int count) {
  data[threadIdx.x + count - 63] = 1;  // @global_overrun
}

__global__ void shift_kernel(float* data, int count) {
  const int bits = count / 4096 * 32;
  data[threadIdx.x] = static_cast<float>(1 << bits);  // @shift
}

const char* text(cudaError_t e) { return e == cudaSuccess ? nullptr : cudaGetErrorString(cudaGetLastError()); }

}  // namespace

#define GLMV_MISTAKE(name, shared)                                                                                     \
  {                                                                                                                    \
#name, [](float* data, int count) { return text(gpu_launch(name##_kernel, 1, 64, shared, nullptr, data, count)); } \
  }
const Mistake memory_mistakes[] = {
    GLMV_MISTAKE(read_before_write, 0),
    GLMV_MISTAKE(copy_not_waited, 0),
    GLMV_MISTAKE(copy_waited_too_little, 0),
    GLMV_MISTAKE(copy_at_end, 0),
    GLMV_MISTAKE(copy_misaligned, 0),
    GLMV_MISTAKE(copy_to_global, 0),
    GLMV_MISTAKE(ldmatrix_misaligned, 0),
    GLMV_MISTAKE(too_much_shared, 0),
    GLMV_MISTAKE(shared_overrun, 0),
    GLMV_MISTAKE(shared_index, 0),
    GLMV_MISTAKE(dynamic_overrun, 256),
    GLMV_MISTAKE(global_overrun, 0),
    GLMV_MISTAKE(shift, 0),
};
const size_t memory_mistakes_count = sizeof(memory_mistakes) / sizeof(memory_mistakes[0]);

}  // namespace glmv::GLMV_BACKEND
