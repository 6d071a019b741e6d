// E4M3 codes as floats, four at a time: in the fields of a bf16 a code is its value times 2^-120, subnormal or not, and
// one multiplication in f32 makes that exact. Under four instructions a code, most of them for two codes at once; one
// code at a time costs fifteen, and the products would wait for them.
#pragma once

#include "gpu/eight.h"
#include "gpu/vectors.h"

namespace glmv::GLMV_BACKEND {
// NOLINTBEGIN(bugprone-implicit-widening-of-multiplication-result): eight elements

/// Codes 0 and 2 of a word, times 2^-120, as two bf16.
__device__ __forceinline__ uint32_t shifted_codes(uint32_t word) {
  return (word & 0x00800080u) << 8 | (word & 0x007f007fu) << 4;
}
/// Whether a code of the word is NaN: its lower seven bits are ones.
__device__ __forceinline__ bool has_nan(uint32_t word) {
  return (((word & 0x7f7f7f7fu) + 0x01010101u) & 0x80808080u) != 0;
}

/// Eight codes, as they lie in memory.
__device__ __forceinline__ void widen_codes(const uint32_t (&codes)[2], float (&to)[8]) {
  GPU_UNROLL
  for (int i = 0; i < 2; ++i) {
    const uint32_t even = shifted_codes(codes[i]), odd = shifted_codes(codes[i] >> 8);
    to[4 * i] = __uint_as_float(even << 16) * 0x1p120f;
    to[4 * i + 1] = __uint_as_float(odd << 16) * 0x1p120f;
    to[4 * i + 2] = __uint_as_float(even & 0xffff0000u) * 0x1p120f;
    to[4 * i + 3] = __uint_as_float(odd & 0xffff0000u) * 0x1p120f;
  }
  if (!has_nan(codes[0]) && !has_nan(codes[1])) return;
  GPU_UNROLL
  for (int i = 0; i < 8; ++i) to[i] = widened(codes[i / 4] >> (8 * (i % 4)) & 0xffu);
}

/// As pairs of bf16, which hold them exactly.
__device__ __forceinline__ void widen_codes(const uint32_t (&codes)[2], uint32_t (&to)[4]) {
  float values[8];
  widen_codes(codes, values);
  GPU_UNROLL
  for (int i = 0; i < 4; ++i)
    to[i] = (__float_as_uint(values[2 * i + 1]) & 0xffff0000u) | __float_as_uint(values[2 * i]) >> 16;
}

/// Eight weights of either type; p is 16 or 8 bytes aligned.
__device__ __forceinline__ void load_weights(const bf16* p, float (&v)[8]) { load_eight(p, v); }
__device__ __forceinline__ void load_weights(const f8e4m3* p, float (&v)[8]) {
  uint32_t codes[2];
  load_words(p, codes);
  widen_codes(codes, v);
}

// NOLINTEND(bugprone-implicit-widening-of-multiplication-result)
}  // namespace glmv::GLMV_BACKEND
