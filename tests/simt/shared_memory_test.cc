// Shared memory: what a launch may have, what is in it at first, and where variables lie.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include "simt/gpu.h"
#include "simt/settings.h"
#include "tests/simt/device_array.h"

namespace glmv::simt {
namespace {

std::string last_error() { return cudaGetErrorString(cudaGetLastError()); }

__global__ void dynamic_kernel(unsigned* bytes) {
  GPU_DYNAMIC_SHARED(unsigned char, data);
  for (unsigned i = 0; i < *bytes; ++i) data[i] = 1;
}

TEST(SharedMemory, DynamicSharedMemoryNeedsAnOptIn) {
  const DeviceArray<unsigned> bytes(std::vector<unsigned>{100000});
  EXPECT_EQ(gpu_launch(dynamic_kernel, 1, 1, 100000, nullptr, bytes.data()), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaFuncSetAttribute(dynamic_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 300000),
            cudaErrorInvalidValue);
  EXPECT_EQ(last_error(), "300000 bytes of dynamic shared memory exceed the device's limit of 232448");
  ASSERT_EQ(cudaFuncSetAttribute(dynamic_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 100000), cudaSuccess);
  EXPECT_EQ(gpu_launch(dynamic_kernel, 1, 1, 100000, nullptr, bytes.data()), cudaSuccess) << last_error();
  EXPECT_EQ(gpu_launch(dynamic_kernel, 1, 1, 100001, nullptr, bytes.data()), cudaErrorInvalidConfiguration);
  EXPECT_NE(last_error().find("exceed the limit of 100000 this kernel opted in for"), std::string::npos);
}

__global__ void declared_and_dynamic_kernel() {
  GPU_SHARED(float, tile, [4096]);
  GPU_DYNAMIC_SHARED(float, row);
  tile[0] = row[0] = 1;
}

TEST(SharedMemory, DeclaredAndDynamicSharedMemoryTogetherNeedAnOptInToo) {
  EXPECT_EQ(gpu_launch(declared_and_dynamic_kernel, 1, 1, 32768, nullptr), cudaSuccess);
  EXPECT_EQ(gpu_launch(declared_and_dynamic_kernel, 1, 1, 32772, nullptr), cudaErrorLaunchFailure);
  EXPECT_NE(last_error().find("with tile (16384 bytes) this kernel declares 16384 bytes, the limit is 16380"),
            std::string::npos)
      << last_report();
  const int most = 227 * 1024;
  ASSERT_EQ(cudaFuncSetAttribute(declared_and_dynamic_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most),
            cudaSuccess);
  EXPECT_EQ(gpu_launch(declared_and_dynamic_kernel, 1, 1, most - 16384, nullptr), cudaSuccess) << last_error();
  EXPECT_EQ(gpu_launch(declared_and_dynamic_kernel, 1, 1, most - 16380, nullptr), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
}

struct alignas(64) Wide {
  float values[16];
};
__global__ void wide_kernel(uint64_t* out) {
  GPU_SHARED(Wide, wide, [2]);
  *out = reinterpret_cast<uint64_t>(wide);
}

TEST(SharedMemory, SharedVariablesHaveTheAlignmentOfTheirType) {
  const DeviceArray<uint64_t> out(1);
  ASSERT_EQ(gpu_launch(wide_kernel, 1, 1, 0, nullptr, out.data()), cudaSuccess) << last_error();
  EXPECT_EQ(out.values()[0] % 64, 0u);
}

// Every block finds its shared memory as if nobody had ever written there.
__global__ void poison_kernel(unsigned* out) {
  GPU_SHARED(unsigned, fixed, [8]);
  GPU_DYNAMIC_SHARED(unsigned, dynamic);
  out[blockIdx.x * 8 + threadIdx.x] = fixed[threadIdx.x] & dynamic[threadIdx.x];
  fixed[threadIdx.x] = dynamic[threadIdx.x] = 0;
}

TEST(SharedMemory, SharedMemoryIsPoisonedForEveryBlock) {
  const DeviceArray<unsigned> out(32);
  ASSERT_EQ(gpu_launch(poison_kernel, 4, 8, 8 * sizeof(unsigned), nullptr, out.data()), cudaSuccess) << last_error();
  for (unsigned v : out.values()) EXPECT_EQ(v, 0xffffffffu);
}

template <int kVariant>
__device__ unsigned* variable_of() {
  GPU_SHARED(unsigned, value, );
  return &value;
}
// An instance of a function template has its own variable; all threads of a block see the same one.
__global__ void variables_kernel(uint64_t* out) {
  GPU_DYNAMIC_SHARED(unsigned, dynamic);
  const uint64_t a = reinterpret_cast<uint64_t>(variable_of<0>()), b = reinterpret_cast<uint64_t>(variable_of<1>());
  uint64_t* mine = &out[size_t{3} * threadIdx.x];
  mine[0] = a;
  mine[1] = b;
  mine[2] = reinterpret_cast<uint64_t>(dynamic);
}

TEST(SharedMemory, SharedVariables) {
  const DeviceArray<uint64_t> out(15);
  ASSERT_EQ(gpu_launch(variables_kernel, 1, 5, 4, nullptr, out.data()), cudaSuccess) << last_error();
  const auto got = out.values();
  EXPECT_NE(got[0], got[1]);
  EXPECT_EQ(got[0] % 32, 16u);  // exactly what is promised: more would hide a kernel that needs more
  EXPECT_EQ(got[1] % 32, 16u);
  EXPECT_EQ(got[2] % 256, 128u);
  for (int t = 1; t < 5; ++t) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(got[t * 3 + i], got[i]);
  }
}

}  // namespace
}  // namespace glmv::simt
