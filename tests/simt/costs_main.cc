// simt_costs: what the emulator's primitives cost per GPU thread, in nanoseconds of processor time; the median of
// several launches.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <vector>

#include "simt/gpu.h"
#include "simt/ptx.h"

namespace {

constexpr int kBlocks = 64, kThreads = 256, kRepeats = 100, kLaunches = 15;

__global__ void start_kernel(int) {}

__global__ void barrier_kernel(int repeats) {
  for (int i = 0; i < repeats; ++i) __syncthreads();
}

__global__ void shuffle_kernel(int repeats) {
  float x = 1;
  for (int i = 0; i < repeats; ++i) x = __shfl_xor_sync(0xffffffffu, x, 1);
}

__global__ void mma_kernel(int repeats) {
  const uint32_t a[4] = {}, b[2] = {};
  float c[4] = {};
  for (int i = 0; i < repeats; ++i) glmv::ptx::mma_m16n8k16_bf16(c, a, b, c);
}

__global__ void ldmatrix_kernel(int repeats) {
  GPU_SHARED(uint16_t, rows, [32][8]);
  uint32_t out[4];
  for (int i = 0; i < repeats; ++i) glmv::ptx::ldmatrix_x4(out, rows[threadIdx.x % 32]);
}

__global__ void copy_kernel(int repeats) {
  GPU_SHARED(float, tile, [kThreads][4]);
  static const float source[4] = {};
  for (int i = 0; i < repeats; ++i) {
    glmv::ptx::cp_async_16(tile[threadIdx.x], source);
    glmv::ptx::cp_async_commit();
    glmv::ptx::cp_async_wait<0>();
  }
}

/// Nanoseconds per thread of one launch.
double launch_ns(void (*kernel)(int), int repeats) {
  std::vector<double> times;
  for (int i = 0; i < kLaunches; ++i) {
    const std::clock_t begin = std::clock();  // of the process: others may be busy on this machine
    static_cast<void>(gpu_launch(kernel, kBlocks, kThreads, 0, nullptr, repeats));
    times.push_back(static_cast<double>(std::clock() - begin) * 1e9 / CLOCKS_PER_SEC);
  }
  std::nth_element(times.begin(), times.begin() + kLaunches / 2, times.end());
  return times[kLaunches / 2] / (kBlocks * kThreads);
}

}  // namespace

int main() {
  const double start = launch_ns(start_kernel, 0);
  std::printf("start of a thread   %8.1f ns\n", start);
  const struct {
    const char* name;
    void (*kernel)(int);
  } rows[] = {{"barrier", barrier_kernel},
              {"shuffle", shuffle_kernel},
              {"mma.m16n8k16", mma_kernel},
              {"ldmatrix.x4", ldmatrix_kernel},
              {"cp.async", copy_kernel}};
  for (const auto& row : rows) {
    std::printf("%-18s  %8.1f ns per thread\n", row.name, (launch_ns(row.kernel, kRepeats) - start) / kRepeats);
  }
  return 0;
}
