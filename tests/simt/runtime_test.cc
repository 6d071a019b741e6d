// The runtime calls of the facades, and the number types of their headers.
#include <cuda_bf16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>
#include <hip/hip_runtime.h>

#include <cmath>

#include "reference/core/dtype.h"

namespace glmv::simt {
namespace {

TEST(Runtime, DeviceMemoryIsPoisonedAndAligned) {
  unsigned char* p = nullptr;
  ASSERT_EQ(cudaMalloc(&p, 1000), cudaSuccess);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 256, 0u);
  unsigned char bytes[1000] = {};
  ASSERT_EQ(cudaMemcpy(bytes, p, 1000, cudaMemcpyDeviceToHost), cudaSuccess);
  for (unsigned char b : bytes) ASSERT_EQ(b, 0xFF);
  ASSERT_EQ(cudaMemset(p, 3, 999), cudaSuccess);
  ASSERT_EQ(cudaMemcpy(bytes, p, 1000, cudaMemcpyDefault), cudaSuccess);
  EXPECT_EQ(bytes[998], 3);
  EXPECT_EQ(bytes[999], 0xFF);
  EXPECT_EQ(cudaFree(p), cudaSuccess);
}

TEST(Runtime, CopiesAreChecked) {
  const size_t before = device_allocations();
  float host[4] = {1, 2, 3, 4};
  float* p = nullptr;
  ASSERT_EQ(cudaMalloc(&p, sizeof(host)), cudaSuccess);
  const auto refused = [&](void* to, const void* from, size_t bytes, cudaMemcpyKind kind, const std::string& why) {
    EXPECT_EQ(cudaMemcpy(to, from, bytes, kind), cudaErrorInvalidValue);
    const std::string text = cudaGetErrorString(cudaGetLastError());
    EXPECT_NE(text.find(why), std::string::npos) << text;
  };
  refused(p, host, 17, cudaMemcpyHostToDevice,
          "the destination has 16 bytes to the end of its allocation, the copy 17");
  refused(p + 1, host, 16, cudaMemcpyHostToDevice, "the destination has 12 bytes");
  refused(p, host, 16, cudaMemcpyDeviceToHost, "is device memory, not host memory");
  refused(host, host, 16, cudaMemcpyDeviceToHost, "is not device memory");
  EXPECT_EQ(cudaFree(p + 1), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(host), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(p), cudaSuccess);
  EXPECT_EQ(cudaFree(p), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(device_allocations(), before);
}

TEST(Runtime, DeviceStreamsAndEvents) {
  int count = 0;
  cudaDeviceProp properties;
  ASSERT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  ASSERT_EQ(count, 1);
  ASSERT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  EXPECT_EQ(properties.warpSize, 32);
  EXPECT_EQ(properties.sharedMemPerBlockOptin, 227u * 1024);
  EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidDevice);
  cudaStream_t stream = nullptr;
  cudaEvent_t begin = nullptr, end = nullptr;
  EXPECT_EQ(cudaStreamCreate(&stream), cudaSuccess);
  EXPECT_EQ(cudaEventCreate(&begin), cudaSuccess);
  EXPECT_EQ(cudaEventCreate(&end), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(begin, stream), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(end, stream), cudaSuccess);
  float ms = -1;
  EXPECT_EQ(cudaEventElapsedTime(&ms, begin, end), cudaSuccess);
  EXPECT_GE(ms, 0);
  EXPECT_EQ(cudaEventDestroy(begin), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(end), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
}

TEST(Runtime, ASmallDeviceRunsOutOfMemory) {
  const ScopedSettings saved;
  settings().device_bytes = device_bytes_in_use() + 1000;
  size_t free_bytes = 0, total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free_bytes, &total), cudaSuccess);
  EXPECT_EQ(free_bytes, 1000u);
  char *p = nullptr, *q = nullptr;
  ASSERT_EQ(cudaMalloc(&p, 600), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&q, 401), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  ASSERT_EQ(cudaMalloc(&q, 400), cudaSuccess);
  ASSERT_EQ(cudaMemGetInfo(&free_bytes, &total), cudaSuccess);
  EXPECT_EQ(free_bytes, 0u);
  EXPECT_EQ(cudaFree(p), cudaSuccess);
  EXPECT_EQ(cudaFree(q), cudaSuccess);
}

TEST(Runtime, HipMemory) {
  float host[2] = {5, 6}, back[2] = {};
  float* p = nullptr;
  ASSERT_EQ(hipMalloc(&p, sizeof(host)), hipSuccess);
  ASSERT_EQ(hipMemcpy(p, host, sizeof(host), hipMemcpyHostToDevice), hipSuccess);
  ASSERT_EQ(hipMemcpy(back, p, sizeof(host), hipMemcpyDeviceToHost), hipSuccess);
  EXPECT_EQ(back[1], 6);
  EXPECT_EQ(hipMemcpy(p, host, 9, hipMemcpyHostToDevice), hipErrorInvalidValue);
  EXPECT_EQ(hipFree(p), hipSuccess);
  EXPECT_EQ(hipFree(p), hipErrorInvalidValue);
}

TEST(NumberTypes, Bfloat16HasTheBitsOfOurs) {
  for (uint32_t b = 0; b < 65536; ++b) {
    bf16 ours;
    ours.bits = static_cast<uint16_t>(b);
    const __nv_bfloat16 theirs = __ushort_as_bfloat16(static_cast<uint16_t>(b));
    const float x = static_cast<float>(ours);
    if (std::isnan(x)) {
      EXPECT_TRUE(std::isnan(__bfloat162float(theirs)));
    } else {
      ASSERT_EQ(__float_as_uint(__bfloat162float(theirs)), __float_as_uint(x)) << b;
    }
  }
  // Every exponent, halfway cases and their neighbours.
  for (uint32_t high = 0; high < 0x7f800000u; high += 0x00210000u) {
    for (const uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      for (const uint32_t sign : {0u, 0x80000000u}) {
        const float x = __uint_as_float(sign | (high + low));
        ASSERT_EQ(__bfloat16_as_ushort(__float2bfloat16_rn(x)), bf16(x).bits) << x;
      }
    }
  }
  EXPECT_EQ(__bfloat16_as_ushort(__float2bfloat16_rn(std::nanf(""))), 0x7fff);
  static_assert(sizeof(__nv_bfloat16) == sizeof(bf16) && sizeof(__nv_bfloat162) == 4);
}

TEST(NumberTypes, Fp8HasTheBitsOfOurs) {
  for (const float x : {0.0F, -0.0F, 1.0F, -448.0F, 1e9F, 0.0019531F, 17.0F, 0.3F}) {
    EXPECT_EQ(__nv_fp8_e4m3(x).__x, f8e4m3(x).bits);
    EXPECT_EQ(__nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3), f8e4m3(x).bits);
    EXPECT_EQ(static_cast<float>(__nv_fp8_e4m3(x)), static_cast<float>(f8e4m3(x)));
  }
}

TEST(NumberTypes, VectorsHaveTheVendorsAlignment) {
  static_assert(sizeof(float4) == 16);
  static_assert(alignof(float4) == 16);
  static_assert(alignof(float2) == 8);
  static_assert(alignof(uint4) == 16);
  static_assert(alignof(int4) == 16);
  static_assert(alignof(uint2) == 8);
  static_assert(sizeof(uchar4) == 4);
  static_assert(alignof(uchar4) == 4);
  const float4 v = make_float4(1, 2, 3, 4);
  EXPECT_EQ(v.x + v.y * 10 + v.z * 100 + v.w * 1000, 4321);
}

}  // namespace
}  // namespace glmv::simt
