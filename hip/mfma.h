// Matrix instructions on 16-byte chunks: eight neighbours along K of a row, which are two steps of the instruction.
//
// An instruction wants four neighbours along K of each lane. Which four is free to choose as long as both operands
// agree: here the first half of a lane's chunk belongs to one instruction, the second half to the next, so every lane
// reads 16 bytes at a time. Lanes of one row hold neighbouring chunks. Lane tables: simt/lane_tables.h.
#pragma once

#include "gpu/launch.h"
#include "hip/inline.h"
#include "simt/mfma.h"

namespace glmv::GLMV_BACKEND {

constexpr int kWave = 64;  ///< lanes that share a matrix instruction

/// Second bound of a kernel of matrix instructions: a unit has room for that many waves, which leaves each of them 256
/// registers. Without it a compiler may keep sums in the accumulation file and copy them back and forth in every step,
/// as clang 19 did with FP8 experts.
constexpr int kWavesPerUnit = 2;

#if GLMV_HAS_MFMA
__device__ __forceinline__ void mfma_step(float (&sum)[4], const uint16_t (&a)[4], const uint16_t (&b)[4]) {
  mfma::mfma_16x16x16_bf16(sum, a, b, sum);
}
__device__ __forceinline__ void mfma_step(float (&sum)[16], const uint16_t (&a)[4], const uint16_t (&b)[4]) {
  mfma::mfma_32x32x8_bf16(sum, a, b, sum);
}
#else
template <int Values>
__device__ void mfma_step(float (&)[Values], const uint16_t (&)[4], const uint16_t (&)[4]) {}
#endif

/// The first line of a kernel of matrix instructions. On a target without them (gfx11, an NVIDIA GPU) no planner
/// launches it, and a trap is all that is compiled of it.
__device__ __forceinline__ void needs_mfma() {
#if !GLMV_HAS_MFMA
  GPU_TRAP();
#endif
}

/// Two words as the four values of a step.
__device__ __forceinline__ void step_of(uint32_t low, uint32_t high, uint16_t (&to)[4]) {
  to[0] = static_cast<uint16_t>(low), to[1] = static_cast<uint16_t>(low >> 16);
  to[2] = static_cast<uint16_t>(high), to[3] = static_cast<uint16_t>(high >> 16);
}

/// sum += a b over the chunks of all lanes: 2 x 16 columns of K with sum[4] (16 x 16), 2 x 8 with sum[16] (32 x 32).
template <int Values>
__device__ __forceinline__ void mfma_chunks(float (&sum)[Values], const uint32_t (&a)[4], const uint32_t (&b)[4]) {
  GPU_UNROLL
  for (int half = 0; half < 2; ++half) {
    uint16_t a_step[4], b_step[4];
    step_of(a[2 * half], a[2 * half + 1], a_step);
    step_of(b[2 * half], b[2 * half + 1], b_step);
    mfma_step(sum, a_step, b_step);
  }
}

}  // namespace glmv::GLMV_BACKEND
