// Mistakes with AMD's matrix instructions and mask-less shuffles. "// @word" marks the line a report must name.
#include <hip/hip_runtime.h>

#include "simt/gpu.h"
#include "simt/mfma.h"
#include "simt/phases.h"
#include "tests/simt/kernels/mistakes.h"

GLMV_DECLARE_MISTAKES(GLMV_BACKEND, wave_mistakes)

namespace glmv::GLMV_BACKEND {
namespace {

__global__ void mfma_kernel(float* data) {
#if GLMV_HAS_MFMA
  const uint16_t a[4] = {}, b[4] = {};
  float c[4] = {};
  mfma::mfma_16x16x16_bf16(c, a, b, c);  // @mfma
  data[threadIdx.x] = c[0];
#endif
}

__global__ void half_wave_shuffle_kernel(float* data) {
  float x = data[threadIdx.x];
  if (threadIdx.x < 32) x += __shfl_xor(x, 1);  // @half_wave_shuffle
  data[threadIdx.x] = x;
}

// Two groups of 64 threads a phase apart: each reads what the other wrote in the phase before. `kEnd`: how the first
// group makes up for its phase.
enum class End { phase, nothing, syncthreads };
template <End kEnd>
__global__ void phases_kernel(float* data) {
  GPU_SHARED(float, box, [2][64]);
  const bool second = wave_uniform(static_cast<int>(threadIdx.x) / 64) != 0;
  const int at = static_cast<int>(threadIdx.x) % 64;
  float x = data[threadIdx.x];
  if (second) phase_barrier();
  box[second][at] = x;
  phase_barrier();  // @phases.first
  if (second) x += box[0][at];
  phase_barrier();  // @phases.second
  if (!second) x += box[1][at];
  if (!second && kEnd == End::phase) phase_barrier();
  if (!second && kEnd == End::syncthreads) __syncthreads();  // @phases.syncthreads
  data[threadIdx.x] = x;
}

template <class Kernel>
const char* launch(Kernel kernel, int threads, float* data) {
  const hipError_t e = gpu_launch(kernel, 1, threads, 0, nullptr, data);
  return e == hipSuccess ? nullptr : hipGetErrorString(hipGetLastError());
}

// Functions, not lambdas: clang would compile a lambda for the device too; likewise a constant list of their addresses.
const char* mfma_whole_wave(float* data, int) { return launch(mfma_kernel, 64, data); }
const char* mfma_partial_wave(float* data, int) { return launch(mfma_kernel, 48, data); }
const char* half_wave_shuffle(float* data, int) { return launch(half_wave_shuffle_kernel, 64, data); }
const char* phases_apart(float* data, int) { return launch(phases_kernel<End::phase>, 128, data); }
const char* phase_too_few(float* data, int) { return launch(phases_kernel<End::nothing>, 128, data); }
const char* phase_meets_barrier(float* data, int) { return launch(phases_kernel<End::syncthreads>, 128, data); }

}  // namespace

#if !defined(__HIP_DEVICE_COMPILE__)
const Mistake wave_mistakes[] = {
    {"mfma_whole_wave", mfma_whole_wave},     {"mfma_partial_wave", mfma_partial_wave},
    {"half_wave_shuffle", half_wave_shuffle}, {"phases_apart", phases_apart},
    {"phase_too_few", phase_too_few},         {"phase_meets_barrier", phase_meets_barrier}};
const size_t wave_mistakes_count = sizeof(wave_mistakes) / sizeof(wave_mistakes[0]);
#endif

}  // namespace glmv::GLMV_BACKEND
