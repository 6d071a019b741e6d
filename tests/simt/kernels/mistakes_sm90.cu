// Mistakes with barriers in shared memory, tensor loads and wgmma. "// @word" marks the line a report must name.
//
// All kernels have 128 threads and work on one 8 KiB box, rows of 64 bf16, that thread 0 loads from the device memory.
#include <cuda_runtime.h>

#include "simt/gpu.h"
#include "simt/ptx.h"
#include "simt/ptx_sm90.h"
#include "tests/simt/kernels/mistakes.h"

GLMV_DECLARE_MISTAKES(GLMV_BACKEND, sm90_mistakes)

namespace glmv::GLMV_BACKEND {
namespace {

#if GLMV_HAS_SM90A

constexpr unsigned kBox = 64 * 128;

struct Shared {
  unsigned char* box;
  uint64_t* barrier;
};

/// Shared memory with an initialised barrier.
__device__ Shared prepared(unsigned count) {
  GPU_DYNAMIC_SHARED(unsigned char, dynamic);
  GPU_SHARED(uint64_t, barrier, );
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(&barrier, count);  // @barrier
    ptx::mbarrier_init_fence();
  }
  __syncthreads();
  return {dynamic + (1024 - reinterpret_cast<uintptr_t>(dynamic) % 1024) % 1024, &barrier};
}

__device__ void load(const Shared& s, const ptx::TensorMap& map, int first_row = 0) {
  if (threadIdx.x != 0) return;
  ptx::mbarrier_arrive_expect(s.barrier, kBox);
  ptx::tensor_load_2d(s.box, map, s.barrier, 0, first_row);
}

__device__ float first_value(const Shared& s) { return static_cast<float>(*reinterpret_cast<const bf16*>(s.box)); }

__device__ void multiply(float (&sums)[64], const Shared& s, unsigned stride) {
  const uint64_t d = ptx::wgmma_descriptor(s.box, 0, stride);
  ptx::wgmma(sums, d, d, false);  // @wgmma_no_fence
}

// ---- Barriers

__device__ void too_few_arrivals(const ptx::TensorMap& map, float* data) {
  const Shared s = prepared(2);
  load(s, map);
  ptx::mbarrier_wait(s.barrier, 0);  // @too_few_arrivals
  data[threadIdx.x] = first_value(s);
}

__device__ void too_many_arrivals(const ptx::TensorMap& map, float* data) {
  const Shared s = prepared(1);
  load(s, map);
  if (threadIdx.x == 0) ptx::mbarrier_arrive(s.barrier);  // @too_many_arrivals
  ptx::mbarrier_wait(s.barrier, 0);
  data[threadIdx.x] = first_value(s);
}

__device__ void wrong_parity(const ptx::TensorMap& map, float* data) {
  const Shared s = prepared(1);
  if (threadIdx.x == 0) ptx::mbarrier_wait(s.barrier, 0);  // @wrong_parity
  load(s, map);
  ptx::mbarrier_wait(s.barrier, 0);
  data[threadIdx.x] = first_value(s);
}

__device__ void not_initialised(const ptx::TensorMap&, float* data) {
  GPU_SHARED(uint64_t, barrier, );
  ptx::mbarrier_arrive(&barrier);  // @not_initialised
  data[threadIdx.x] = 1;
}

// ---- Tensor loads

__device__ void no_expected_bytes(const ptx::TensorMap& map, float* data) {
  const Shared s = prepared(1);
  if (threadIdx.x == 0) {
    ptx::mbarrier_arrive(s.barrier);
    ptx::tensor_load_2d(s.box, map, s.barrier, 0, 0);  // @no_expected_bytes
  }
  ptx::mbarrier_wait(s.barrier, 0);
  data[threadIdx.x] = first_value(s);
}

__device__ void too_many_bytes(const ptx::TensorMap& map, float* data) {
  const Shared s = prepared(1);
  if (threadIdx.x == 0) {
    ptx::mbarrier_arrive_expect(s.barrier, kBox + 128);
    ptx::tensor_load_2d(s.box, map, s.barrier, 0, 0);
  }
  ptx::mbarrier_wait(s.barrier, 0);  // @too_many_bytes
  data[threadIdx.x] = first_value(s);
}

__device__ void load_not_waited(const ptx::TensorMap& map, float* data) {
  const Shared s = prepared(1);
  load(s, map);
  __syncthreads();
  data[threadIdx.x] = first_value(s);  // too early
  __syncthreads();
  ptx::mbarrier_wait(s.barrier, 0);
  data[128 + threadIdx.x] = first_value(s);
}

__device__ void load_forgotten(const ptx::TensorMap& map, float* data) {
  const Shared s = prepared(1);
  if (threadIdx.x == 0) {
    ptx::mbarrier_arrive_expect(s.barrier, kBox);
    ptx::tensor_load_2d(s.box, map, s.barrier, 0, 0);  // @load_forgotten
  }
  data[threadIdx.x] = 1;
}

__device__ void load_misaligned(const ptx::TensorMap& map, float* data) {
  const Shared s = prepared(1);
  if (threadIdx.x == 0) {
    ptx::mbarrier_arrive_expect(s.barrier, kBox);
    ptx::tensor_load_2d(s.box + 64, map, s.barrier, 0, 0);  // @load_misaligned
  }
  ptx::mbarrier_wait(s.barrier, 0);
  data[threadIdx.x] = first_value(s);
}

// ---- wgmma

template <int kVariant>
__device__ void product(const ptx::TensorMap& map, float* data) {
  const Shared s = prepared(1);
  load(s, map);
  ptx::mbarrier_wait(s.barrier, 0);
  float sums[64];
  if (kVariant != 1) ptx::wgmma_fence();
  multiply(sums, s, kVariant == 2 ? 512 : 1024);
  ptx::wgmma_commit();
  if (kVariant == 3) data[128 + threadIdx.x] = sums[0];  // too early
  ptx::wgmma_wait<0>(sums);
  data[threadIdx.x] = sums[0];
}

__device__ void wgmma_right(const ptx::TensorMap& map, float* data) { product<0>(map, data); }
__device__ void wgmma_no_fence(const ptx::TensorMap& map, float* data) { product<1>(map, data); }
__device__ void wgmma_stride(const ptx::TensorMap& map, float* data) { product<2>(map, data); }
__device__ void wgmma_early(const ptx::TensorMap& map, float* data) { product<3>(map, data); }

__device__ void wgmma_forgotten(const ptx::TensorMap& map, float* data) {
  const Shared s = prepared(1);
  load(s, map);
  ptx::mbarrier_wait(s.barrier, 0);
  float sums[64];
  ptx::wgmma_fence();
  const uint64_t d = ptx::wgmma_descriptor(s.box, 0, 1024);
  ptx::wgmma(sums, d, d, false);  // @wgmma_forgotten
  ptx::wgmma_wait<0>(sums);       // of no group: nothing was committed
  data[threadIdx.x] = 1;
}

__device__ void wgmma_one_warp(const ptx::TensorMap& map, float* data) {
  const Shared s = prepared(1);
  load(s, map);
  ptx::mbarrier_wait(s.barrier, 0);
  float sums[64];
  ptx::wgmma_fence();
  const uint64_t d = ptx::wgmma_descriptor(s.box, 0, 1024);
  if (threadIdx.x < 32) ptx::wgmma(sums, d, d, false);  // @wgmma_one_warp
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>(sums);
  data[threadIdx.x] = 1;
}

__device__ void wgmma_beyond(const ptx::TensorMap& map, float* data) {
  const Shared s = prepared(1);
  load(s, map);
  ptx::mbarrier_wait(s.barrier, 0);
  float sums[64];
  ptx::wgmma_fence();
  const uint64_t d = ptx::wgmma_descriptor(s.box, 0, 200 * 1024);
  ptx::wgmma(sums, d, d, false);  // @wgmma_beyond
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>(sums);
  data[threadIdx.x] = 1;
}

// Copied by ordinary means and not fenced: wgmma goes by another way to shared memory.
__device__ void wgmma_no_proxy_fence(const ptx::TensorMap& map, float* data) {
  const Shared s = prepared(1);
  load(s, map);
  ptx::mbarrier_wait(s.barrier, 0);
  __syncthreads();
  ptx::cp_async_16(s.box + 16 * threadIdx.x, data + 256 + 4 * threadIdx.x);
  ptx::cp_async_wait_all();
  __syncthreads();
  float sums[64];
  ptx::wgmma_fence();
  const uint64_t d = ptx::wgmma_descriptor(s.box, 0, 1024);
  ptx::wgmma(sums, d, d, false);  // @wgmma_no_proxy_fence
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>(sums);
  data[threadIdx.x] = sums[0];
}

// The stage is given back while wgmma still reads it: the load that follows overwrites it.
__device__ void stage_released_early(const ptx::TensorMap& map, float* data) {
  const Shared s = prepared(1);
  load(s, map);
  ptx::mbarrier_wait(s.barrier, 0);
  float sums[64];
  ptx::wgmma_fence();
  multiply(sums, s, 1024);
  ptx::wgmma_commit();
  __syncthreads();
  load(s, map, 64);          // zeros
  ptx::wgmma_wait<0>(sums);  // @stage_released_early
  data[threadIdx.x] = sums[0];
  ptx::mbarrier_wait(s.barrier, 1);
}

#define GLMV_BODY(name) name(map, data)
#else
constexpr unsigned kBox = 64 * 128;
#define GLMV_BODY(name) __trap()
#endif

const char* run(void (*kernel)(const ptx::TensorMap, float*), float* data) {
  ptx::BoxedTensor t;  // 64 rows of 64
  t.data = data + 256;
  t.extent[0] = t.extent[1] = 64;
  t.stride[1] = 128;
  t.box[1] = 64;
  ptx::TensorMap map;
  encode(map, t);
  // Room for two boxes: wgmma reads 128 columns of B.
  const cudaError_t e = gpu_launch(kernel, 1, 128, 2 * kBox + 1024, nullptr, map, data);
  return e == cudaSuccess ? nullptr : cudaGetErrorString(cudaGetLastError());
}

#define GLMV_KERNEL(name)                                                                                         \
  __global__ void __launch_bounds__(128) name##_kernel(const __grid_constant__ ptx::TensorMap map, float* data) { \
    (void)map, (void)data;                                                                                        \
    GLMV_BODY(name);                                                                                              \
  }
GLMV_KERNEL(too_few_arrivals)
GLMV_KERNEL(too_many_arrivals)
GLMV_KERNEL(wrong_parity)
GLMV_KERNEL(not_initialised)
GLMV_KERNEL(no_expected_bytes)
GLMV_KERNEL(too_many_bytes)
GLMV_KERNEL(load_not_waited)
GLMV_KERNEL(load_forgotten)
GLMV_KERNEL(load_misaligned)
GLMV_KERNEL(wgmma_right)
GLMV_KERNEL(wgmma_no_fence)
GLMV_KERNEL(wgmma_stride)
GLMV_KERNEL(wgmma_early)
GLMV_KERNEL(wgmma_forgotten)
GLMV_KERNEL(wgmma_one_warp)
GLMV_KERNEL(wgmma_beyond)
GLMV_KERNEL(wgmma_no_proxy_fence)
GLMV_KERNEL(stage_released_early)

}  // namespace

#define GLMV_MISTAKE(name)                                           \
  {                                                                  \
#name, [](float* data, int) { return run(name##_kernel, data); } \
  }
const Mistake sm90_mistakes[] = {
    GLMV_MISTAKE(too_few_arrivals), GLMV_MISTAKE(too_many_arrivals),    GLMV_MISTAKE(wrong_parity),
    GLMV_MISTAKE(not_initialised),  GLMV_MISTAKE(no_expected_bytes),    GLMV_MISTAKE(too_many_bytes),
    GLMV_MISTAKE(load_not_waited),  GLMV_MISTAKE(load_forgotten),       GLMV_MISTAKE(load_misaligned),
    GLMV_MISTAKE(wgmma_right),      GLMV_MISTAKE(wgmma_no_fence),       GLMV_MISTAKE(wgmma_stride),
    GLMV_MISTAKE(wgmma_early),      GLMV_MISTAKE(wgmma_forgotten),      GLMV_MISTAKE(wgmma_one_warp),
    GLMV_MISTAKE(wgmma_beyond),     GLMV_MISTAKE(wgmma_no_proxy_fence), GLMV_MISTAKE(stage_released_early),
};
const size_t sm90_mistakes_count = sizeof(sm90_mistakes) / sizeof(sm90_mistakes[0]);

}  // namespace glmv::GLMV_BACKEND
