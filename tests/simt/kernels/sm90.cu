// Single instructions of sm_90a, and the smallest product that uses them all: for probing layouts.
#include "tests/simt/kernels/sm90.h"

#include <cuda_runtime.h>

#include "simt/gpu.h"
#include "simt/ptx_sm90.h"

GLMV_DECLARE_SM90_KERNELS(GLMV_BACKEND)

namespace glmv::GLMV_BACKEND {
namespace {

#if GLMV_HAS_SM90A
__device__ unsigned char* aligned(unsigned char* p) {
  return p + (1024 - reinterpret_cast<uintptr_t>(p) % 1024) % 1024;
}

/// An operand's image in shared memory, which wgmma may then read.
__device__ const unsigned char* copy_image(unsigned char* to, const uint8_t* from) {
  for (int i = threadIdx.x; i < kWgmmaImage; i += blockDim.x) to[i] = from[i];
  return to;
}
#endif

template <int Columns>
__global__ void __launch_bounds__(128)
    one_wgmma_kernel(const uint8_t* a, const uint8_t* b, float* d, WgmmaOffsets offsets) {
#if GLMV_HAS_SM90A
  GPU_DYNAMIC_SHARED(unsigned char, dynamic);
  unsigned char* const images = aligned(dynamic);
  copy_image(images, a);
  copy_image(images + kWgmmaImage, b);
  ptx::fence_proxy_async();
  __syncthreads();
  float sums[Columns / 2];
  ptx::wgmma_fence();
  ptx::wgmma(sums, ptx::wgmma_descriptor(images, offsets.a_leading, offsets.a_stride),
             ptx::wgmma_descriptor(images + kWgmmaImage, offsets.b_leading, offsets.b_stride), false);
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>(sums);
  GPU_UNROLL
  for (int i = 0; i < Columns / 2; ++i) d[threadIdx.x * (Columns / 2) + i] = sums[i];
#endif
}

__global__ void __launch_bounds__(128)
    one_wgmma_registers_kernel(const uint32_t* a, const uint8_t* b, float* d, WgmmaOffsets offsets) {
#if GLMV_HAS_SM90A
  GPU_DYNAMIC_SHARED(unsigned char, dynamic);
  unsigned char* const image = aligned(dynamic);
  copy_image(image, b);
  ptx::fence_proxy_async();
  __syncthreads();
  uint32_t mine[4];
  float sums[64];
  GPU_UNROLL
  for (int i = 0; i < 4; ++i) mine[i] = a[threadIdx.x * 4 + i];
  ptx::wgmma_fence();
  ptx::wgmma<ptx::Major::mn>(sums, mine, ptx::wgmma_descriptor(image, offsets.b_leading, offsets.b_stride), false);
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>(sums);
  GPU_UNROLL
  for (int i = 0; i < 64; ++i) d[threadIdx.x * 64 + i] = sums[i];
#endif
}

__global__ void __launch_bounds__(128) one_tensor_load_kernel(const __grid_constant__ ptx::TensorMap map, int rank,
                                                              int x, int y, int z, int bytes, uint8_t* image) {
#if GLMV_HAS_SM90A
  GPU_DYNAMIC_SHARED(unsigned char, dynamic);
  GPU_SHARED(uint64_t, barrier, );
  unsigned char* const box = aligned(dynamic);
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(&barrier, 1);
    ptx::mbarrier_init_fence();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    ptx::mbarrier_arrive_expect(&barrier, static_cast<unsigned>(bytes));
    if (rank == 2)
      ptx::tensor_load_2d(box, map, &barrier, x, y);
    else
      ptx::tensor_load_3d(box, map, &barrier, x, y, z);
  }
  ptx::mbarrier_wait(&barrier, 0);
  for (int i = threadIdx.x; i < bytes; i += blockDim.x) image[i] = box[i];
#endif
}

// ---- A product of tiles 64 x 128: one producing thread, one consuming warpgroup, two stages.

constexpr int kStages = 2;
struct Stage {
  uint16_t a[64 * 64], b[128 * 64];
};

__global__ void __launch_bounds__(256)
    gemm_wgmma_kernel(const __grid_constant__ ptx::TensorMap a, const __grid_constant__ ptx::TensorMap b, float* out,
                      int steps) {
#if GLMV_HAS_SM90A
  GPU_DYNAMIC_SHARED(unsigned char, dynamic);
  GPU_SHARED(uint64_t, full, [kStages]);
  GPU_SHARED(uint64_t, empty, [kStages]);
  auto* const stages = reinterpret_cast<Stage*>(aligned(dynamic));
  const int row = 64 * blockIdx.x, thread = threadIdx.x % 128;
  if (threadIdx.x == 0) {
    for (int i = 0; i < kStages; ++i) ptx::mbarrier_init(&full[i], 1), ptx::mbarrier_init(&empty[i], 4);
    ptx::mbarrier_init_fence();
  }
  __syncthreads();
  if (threadIdx.x >= 128) {
    if (threadIdx.x > 128) return;
    for (int step = 0; step < steps; ++step) {
      const int at = step % kStages;
      ptx::mbarrier_wait(&empty[at], step / kStages % 2 == 0 ? 1 : 0);
      ptx::mbarrier_arrive_expect(&full[at], sizeof(Stage));
      ptx::tensor_load_2d(stages[at].a, a, &full[at], 64 * step, row);
      ptx::tensor_load_2d(stages[at].b, b, &full[at], 64 * step, 0);
    }
    return;
  }
  float sums[64];
  for (int step = 0; step < steps; ++step) {
    const int at = step % kStages;
    ptx::mbarrier_wait(&full[at], step / kStages % 2);
    const uint64_t left = ptx::wgmma_descriptor(stages[at].a, 0, 1024),
                   right = ptx::wgmma_descriptor(stages[at].b, 0, 1024);
    ptx::wgmma_fence();
    GPU_UNROLL
    for (int k = 0; k < 4; ++k) ptx::wgmma(sums, left + 2 * k, right + 2 * k, step + k > 0);
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>(sums);
    if (thread % 32 == 0) ptx::mbarrier_arrive(&empty[at]);
  }
  GPU_UNROLL
  for (int i = 0; i < 64; ++i) {
    const int r = row + thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8, c = i / 4 * 8 + thread % 4 * 2 + i % 2;
    out[r * 128 + c] = sums[i];
  }
#endif
}

const char* text(cudaError_t e) { return e == cudaSuccess ? nullptr : cudaGetErrorString(e); }

template <class Kernel>
void allow(Kernel* kernel, int bytes) {
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
}

ptx::TensorMap map_of(const bf16* data, int rows, int k, int box_rows) {
  ptx::BoxedTensor t;
  t.data = data;
  t.extent[0] = static_cast<uint64_t>(k), t.extent[1] = static_cast<uint64_t>(rows);
  t.stride[1] = 2 * t.extent[0];
  t.box[1] = static_cast<uint32_t>(box_rows);
  ptx::TensorMap map;
  encode(map, t);
  return map;
}

}  // namespace

const char* one_wgmma(const uint8_t* a, const uint8_t* b, float* d, WgmmaOffsets offsets, int columns) {
  const auto kernel = columns == 128 ? one_wgmma_kernel<128> : one_wgmma_kernel<256>;
  allow(kernel, 2 * kWgmmaImage + 1024);
  return text(gpu_launch(kernel, 1, 128, 2 * kWgmmaImage + 1024, nullptr, a, b, d, offsets));
}

const char* one_wgmma_registers(const uint32_t* a, const uint8_t* b, float* d, WgmmaOffsets offsets) {
  allow(one_wgmma_registers_kernel, kWgmmaImage + 1024);
  return text(gpu_launch(one_wgmma_registers_kernel, 1, 128, kWgmmaImage + 1024, nullptr, a, b, d, offsets));
}

const char* one_tensor_load(const ptx::BoxedTensor& tensor, int x, int y, int z, uint8_t* image) {
  ptx::TensorMap map;
  static std::string why;
  if (why = encode(map, tensor); !why.empty()) return why.c_str();
  const auto bytes = static_cast<int>(tensor.box_bytes()), rank = static_cast<int>(tensor.rank);
  allow(one_tensor_load_kernel, bytes + 1024);
  return text(gpu_launch(one_tensor_load_kernel, 1, 128, bytes + 1024, nullptr, map, rank, x, y, z, bytes, image));
}

const char* gemm_wgmma(const bf16* a, const bf16* b, float* out, int m, int k) {
  allow(gemm_wgmma_kernel, kStages * sizeof(Stage) + 1024);
  return text(gpu_launch(gemm_wgmma_kernel, m / 64, 256, kStages * sizeof(Stage) + 1024, nullptr, map_of(a, m, k, 64),
                         map_of(b, 128, k, 128), out, k / 64));
}

}  // namespace glmv::GLMV_BACKEND
