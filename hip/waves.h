// Lanes of a wave: 64 on CDNA, 32 on RDNA. A kernel that exchanges values between lanes takes their number as a
// template argument, and the launch chooses it by the device.
#pragma once

#include "gpu/launch.h"
#include "gpu/number.h"
#include "hip/device.h"
#include "hip/inline.h"
#include "simt/wave.h"

namespace glmv::GLMV_BACKEND {

#if defined(__GFX9__)  // CDNA too; the compilers' own word for the width differs between releases
constexpr int kTargetWave = 64;
#elif defined(__AMDGCN__) || defined(__CUDA_ARCH__)
constexpr int kTargetWave = 32;
#else
constexpr int kTargetWave = 0;  // the emulator's is chosen at run time; host code has none
#endif

/// The first line of a kernel for waves of `Lanes`. For a target of another width, whose devices with_wave does not
/// launch it on, a trap is all that is compiled of it.
template <int Lanes>
__device__ __forceinline__ void needs_wave() {
  if constexpr (kTargetWave != 0 && kTargetWave != Lanes) GPU_TRAP();
}

template <int Lanes>
__device__ int lane_number() {
  return static_cast<int>(threadIdx.x) % Lanes;
}
template <int Lanes>
__device__ int wave_number() {
  return static_cast<int>(threadIdx.x) / Lanes;
}

/// The sum of all lanes' values, the same in every lane; its order is fixed.
template <int Lanes>
__device__ float wave_sum(float x) {
  GPU_UNROLL
  for (int distance = Lanes / 2; distance > 0; distance /= 2) x += __shfl_xor(x, distance, Lanes);
  return x;
}
template <int Lanes, class T>
__device__ T wave_max(T x) {
  GPU_UNROLL
  for (int distance = Lanes / 2; distance > 0; distance /= 2) {
    const T other = __shfl_xor(x, distance, Lanes);
    if (x < other) x = other;
  }
  return x;
}

/// The sum over a block of at most kMostThreads threads, the same in every thread. All threads of the block call it.
template <int Lanes, int kMostThreads>
__device__ float block_sum(float x) {
  GPU_SHARED(float, parts, [kMostThreads / Lanes]);
  x = wave_sum<Lanes>(x);
  __syncthreads();  // the parts of the sum before this one have been read
  if (lane_number<Lanes>() == 0) parts[wave_number<Lanes>()] = x;
  __syncthreads();
  float total = 0;
  for (unsigned wave = 0; wave < blockDim.x / Lanes; ++wave) total += parts[wave];
  return total;
}

/// f(the number of lanes as a type).
template <class F>
void with_wave(F f) {
  if (current_device().wave == 64)
    f(Number<64>());
  else
    f(Number<32>());
}

}  // namespace glmv::GLMV_BACKEND
