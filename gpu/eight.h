// Eight neighbours at a time: what the MoE kernels without matrix instructions are made of.
#pragma once

#include "gpu/launch.h"
#include "reference/core/dtype.h"

namespace glmv::GLMV_BACKEND {

/// Two bf16 in a register, the lower half first.
__device__ inline float low_half(unsigned pair) { return __uint_as_float(pair << 16); }
__device__ inline float high_half(unsigned pair) { return __uint_as_float(pair & 0xffff0000u); }
__device__ inline unsigned pair_of(float low, float high) {
  return static_cast<unsigned>(bf16(low).bits) | static_cast<unsigned>(bf16(high).bits) << 16;
}

/// Eight neighbours as floats; p is a multiple of 16 bytes.
__device__ inline void load_eight(const bf16* p, float (&v)[8]) {
  const uint4 u = *reinterpret_cast<const uint4*>(p);
  const unsigned pairs[4] = {u.x, u.y, u.z, u.w};
  GPU_UNROLL
  // NOLINTNEXTLINE(bugprone-implicit-widening-of-multiplication-result): eight elements
  for (int i = 0; i < 4; ++i) v[2 * i] = low_half(pairs[i]), v[2 * i + 1] = high_half(pairs[i]);
}
/// E4M3 to the float of that value: its exponent is moved to a float's place, 120 too low, and the product makes up for
/// it, exactly, subnormal values included.
__device__ inline float widened(unsigned code) {
  const float value = __uint_as_float((code & 0x80u) << 24 | (code & 0x7fu) << 20) * 0x1p120f;
  const unsigned is_nan = ((code & 0x7fu) + 1) >> 7;  // 0x7f is. No branch: many of them at once would want predicates
  return __uint_as_float(__float_as_uint(value) | ((0u - is_nan) & 0x7fc00000u));
}
/// Eight bytes; p is a multiple of 8.
__device__ inline void load_eight(const f8e4m3* p, float (&v)[8]) {
  const uint2 u = *reinterpret_cast<const uint2*>(p);
  GPU_UNROLL
  for (int i = 0; i < 4; ++i) v[i] = widened(u.x >> (8 * i) & 0xffu), v[4 + i] = widened(u.y >> (8 * i) & 0xffu);
}
__device__ inline void load_eight(const float* p, float (&v)[8]) {
  const float4 a = reinterpret_cast<const float4*>(p)[0], b = reinterpret_cast<const float4*>(p)[1];
  v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
  v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

/// sum + a . b
__device__ inline float add_product(const float (&a)[8], const float (&b)[8], float sum) {
  GPU_UNROLL
  for (int i = 0; i < 8; ++i) sum = fmaf(a[i], b[i], sum);
  return sum;
}

/// True if every row of a matrix begins at a multiple of 16 bytes.
template <class View>
bool rows_aligned(const View& v) {
  const auto bytes = static_cast<int64_t>(size_of(v.dtype));
  return reinterpret_cast<uintptr_t>(v.data) % 16 == 0 && v.stride[0] * bytes % 16 == 0 && v.stride[1] == 1;
}

}  // namespace glmv::GLMV_BACKEND
