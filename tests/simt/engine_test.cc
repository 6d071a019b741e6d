// The engine: order of threads and blocks, launch checks, asynchronous copies, stacks, exceptions, host threads.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <csignal>
#include <set>
#include <stdexcept>
#include <thread>

#include "simt/gpu.h"
#include "simt/ptx.h"
#include "simt/settings.h"
#include "tests/simt/device_array.h"

namespace glmv::simt {
namespace {

std::string last_error() { return cudaGetErrorString(cudaGetLastError()); }

__global__ void record_order_kernel(unsigned* order, unsigned* count) {
  order[atomicAdd(count, 1u)] = blockIdx.x * blockDim.x + threadIdx.x;
}

std::vector<unsigned> order_of(Order order, uint64_t seed) {
  const ScopedSettings restore;
  settings().order = order;
  settings().seed = seed;
  const DeviceArray<unsigned> out(120), count(std::vector<unsigned>{0});
  EXPECT_EQ(gpu_launch(record_order_kernel, 3, 40, 0, nullptr, out.data(), count.data()), cudaSuccess);
  return out.values();
}

TEST(Engine, OrderOfThreadsAndBlocks) {
  const auto forward = order_of(Order::forward, 0), reverse = order_of(Order::reverse, 0);
  for (unsigned i = 0; i < 120; ++i) {
    EXPECT_EQ(forward[i], i);
    EXPECT_EQ(reverse[i], 119 - i);
  }
  const auto random = order_of(Order::random, 5);
  EXPECT_EQ(random, order_of(Order::random, 5));
  EXPECT_NE(random, order_of(Order::random, 6));
  EXPECT_NE(random, forward);
  EXPECT_EQ(std::set<unsigned>(random.begin(), random.end()).size(), 120u);
}

// One sum of what only differs if two threads or blocks are mixed up.
__global__ void indices_kernel(unsigned* out) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  atomicAdd(&out[block * blockDim.x * blockDim.y * blockDim.z + thread], 1u);
}

TEST(Engine, ThreeDimensionalIndices) {
  const dim3 grid(2, 3, 4), block(3, 2, 5);
  const DeviceArray<unsigned> out(std::vector<unsigned>(720, 0));
  ASSERT_EQ(gpu_launch(indices_kernel, grid, block, 0, nullptr, out.data()), cudaSuccess);
  for (unsigned n : out.values()) EXPECT_EQ(n, 1u);
}

__global__ void nothing_kernel() {}

TEST(Engine, LaunchesThatCannotBe) {
  const auto refused = [](dim3 grid, dim3 block, size_t shared, const std::string& why) {
    EXPECT_EQ(gpu_launch(nothing_kernel, grid, block, shared, nullptr), cudaErrorInvalidConfiguration);
    EXPECT_NE(last_error().find("cannot launch nothing_kernel: " + why), std::string::npos) << last_report();
  };
  refused(1, 0, 0, "a block of (0,1,1) threads");
  refused(1, 1025, 0, "a block of (1025,1,1) threads: must be 1 to 1024");
  refused(0, 1, 0, "a grid of (0,1,1) blocks");
  refused(dim3(1, 65536), 1, 0, "a grid of (1,65536,1) blocks");
  refused(1, 1, 49153, "49153 bytes of dynamic shared memory exceed the limit of 49152 (no opt-in for this kernel)");
  const ScopedSettings restore;
  settings().warp_width = 64;
  refused(1, 64, 0, "CUDA kernels need a warp width of 32, not 64");
}

__global__ void throwing_kernel() {
  if (threadIdx.x == 3) throw std::runtime_error("out of ideas");
  __syncthreads();
}

TEST(Engine, ExceptionsBecomeReports) {
  EXPECT_EQ(gpu_launch(throwing_kernel, 1, 8, 0, nullptr), cudaErrorLaunchFailure);
  const std::string text = last_error();
  EXPECT_NE(
      text.find(": exception: out of ideas\n  in thread (3,0,0) of block (0,0,0), kernel throwing_kernel launched at "
                "tests/simt/engine_test.cc:"),
      std::string::npos)
      << text;
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

__global__ void trapping_kernel() {
  if (threadIdx.x == 1) __trap();
}

TEST(Engine, TrapsBecomeReports) {
  EXPECT_EQ(gpu_launch(trapping_kernel, 1, 8, 0, nullptr), cudaErrorLaunchFailure);
  EXPECT_NE(last_error().find(": __trap\n  in thread (1,0,0) of block (0,0,0)"), std::string::npos) << last_report();
}

__global__ void sum_kernel(unsigned* out) {
  GPU_SHARED(unsigned, part, [64]);
  part[threadIdx.x] = threadIdx.x;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (unsigned i = 1; i < 64; ++i) part[0] += part[i];
    *out = part[0];
  }
}

// Launches of several host threads take turns; errors are each thread's own.
TEST(Engine, SeveralHostThreads) {
  std::vector<std::thread> hosts;
  hosts.reserve(4);
  for (int h = 0; h < 4; ++h) {
    hosts.emplace_back([h] {
      const DeviceArray<unsigned> out(1);
      for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(gpu_launch(sum_kernel, 1, 64, 0, nullptr, out.data()), cudaSuccess);
        EXPECT_EQ(out.values()[0], 2016u);
        if (h == 0) {
          EXPECT_EQ(gpu_launch(trapping_kernel, 1, 8, 0, nullptr), cudaErrorLaunchFailure);
        }
        EXPECT_EQ(cudaGetLastError(), h == 0 ? cudaErrorLaunchFailure : cudaSuccess);
      }
    });
  }
  for (std::thread& t : hosts) t.join();
}

#if !GLMV_SIMT_TSAN  // all threads count in one place
struct CountsItself {
  int* live;
  explicit CountsItself(int* n) : live(n) { ++*live; }
  ~CountsItself() { --*live; }
};
__global__ void deadlocked_kernel(int* live) {
  const CountsItself guard(live);
  if (threadIdx.x % 2 == 0) {
    __syncthreads();
  } else {
    __syncwarp(0xaaaaaaaau);
  }
  if (threadIdx.x % 2 == 1) __syncwarp();
}

TEST(Engine, AFailedLaunchLeavesNothingOnTheStacks) {
  const DeviceArray<int> live(std::vector<int>{0});
  EXPECT_EQ(gpu_launch(deadlocked_kernel, 1, 32, 0, nullptr, live.data()), cudaErrorLaunchFailure);
  EXPECT_NE(last_error().find("16 threads wait at"), std::string::npos);
  EXPECT_EQ(live.values()[0], 0);
}
#endif

// Copies in groups: waiting for all but one finishes the oldest group only.
__global__ void groups_kernel(const float* in, float* out) {
  GPU_SHARED(float, tile, [3][4]);
  for (size_t g = 0; g < 3; ++g) {
    ptx::cp_async_16(tile[g], in + 4 * g);
    ptx::cp_async_commit();
  }
  ptx::cp_async_wait<2>();
  for (int g = 0; g < 3; ++g) out[g] = tile[g][3];
  ptx::cp_async_wait<1>();
  for (int g = 0; g < 3; ++g) out[3 + g] = tile[g][3];
  ptx::cp_async_4(&tile[0][0], in + 8);
  ptx::cp_async_8(&tile[1][0], in + 10);
  ptx::cp_async_16_zfill(tile[2], in, 8);
  ptx::cp_async_wait_all();
  out[6] = tile[0][0], out[7] = tile[1][1], out[8] = tile[2][1], out[9] = tile[2][2];
}

TEST(Engine, GroupsOfAsynchronousCopies) {
  std::vector<float> in(12);
  for (int i = 0; i < 12; ++i) in[i] = static_cast<float>(i + 1);
  const DeviceArray<float> from(in), out(10);
  ASSERT_EQ(gpu_launch(groups_kernel, 1, 1, 0, nullptr, from.data(), out.data()), cudaSuccess) << last_error();
  const auto got = out.values();
  EXPECT_EQ(got[0], 4);
  EXPECT_TRUE(std::isnan(got[1]) && std::isnan(got[2]));
  EXPECT_EQ(got[3], 4);
  EXPECT_EQ(got[4], 8);
  EXPECT_TRUE(std::isnan(got[5]));
  EXPECT_EQ(got[6], 9);
  EXPECT_EQ(got[7], 12);
  EXPECT_EQ(got[8], 2);
  EXPECT_EQ(got[9], 0);  // beyond the valid bytes
}

#if !GLMV_SIMT_TSAN && !GLMV_SIMT_ASAN
__device__ int deep(int n) {
  volatile int frame[256];
  frame[n % 256] = n;
  return n == 0 ? 0 : deep(n - 1) + frame[n % 256];
}
__global__ void deep_kernel(int* out) { *out = deep(1000000); }

TEST(EngineDeathTest, AnOverflowingStackStopsAtItsGuardPage) {
  EXPECT_EXIT(
      {
        const DeviceArray<int> out(1);
        static_cast<void>(gpu_launch(deep_kernel, 1, 1, 0, nullptr, out.data()));
      },
      testing::KilledBySignal(SIGSEGV), "");
}
#endif

}  // namespace
}  // namespace glmv::simt
