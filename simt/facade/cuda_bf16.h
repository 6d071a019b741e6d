// Stands in for NVIDIA's header of that name. The bits are those of glmv::bf16, and so is the rounding; only a NaN
// becomes 0x7fff, as on the device.
#pragma once

#include "reference/core/dtype.h"
#include "simt/facade/cuda_runtime.h"

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the vendor's
inline namespace glmv_simt_facade {

struct __nv_bfloat16_raw {
  unsigned short x;
};

struct __nv_bfloat16 {
  unsigned short __x;

  __nv_bfloat16() = default;
  __nv_bfloat16(__nv_bfloat16_raw r) : __x(r.x) {}                         // NOLINT: implicit as the real one
  __nv_bfloat16(float f) : __x(f != f ? 0x7fff : ::glmv::bf16(f).bits) {}  // NOLINT
  __nv_bfloat16(double d) : __nv_bfloat16(static_cast<float>(d)) {}        // NOLINT
  __nv_bfloat16(int i) : __nv_bfloat16(static_cast<float>(i)) {}           // NOLINT
  operator float() const { return __uint_as_float(static_cast<unsigned>(__x) << 16); }  // NOLINT
  operator __nv_bfloat16_raw() const { return {__x}; }                                  // NOLINT
};

struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};

using nv_bfloat16 = __nv_bfloat16;
using nv_bfloat162 = __nv_bfloat162;

inline __nv_bfloat16 __float2bfloat16(float f) { return f; }
inline __nv_bfloat16 __float2bfloat16_rn(float f) { return f; }
inline float __bfloat162float(__nv_bfloat16 b) { return b; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) { return __nv_bfloat16_raw{bits}; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 b) { return b.__x; }

inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) { return {x, y}; }
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) { return {x, y}; }
inline __nv_bfloat162 __float22bfloat162_rn(float2 f) { return {f.x, f.y}; }
inline __nv_bfloat162 __float2bfloat162_rn(float f) { return {f, f}; }
inline float2 __bfloat1622float2(__nv_bfloat162 b) { return {b.x, b.y}; }
inline float __low2float(__nv_bfloat162 b) { return b.x; }
inline float __high2float(__nv_bfloat162 b) { return b.y; }

// One rounding each, from the exact result in float: bf16 operands make sums and products that float rounds the same
// way.
inline __nv_bfloat16 __hadd(__nv_bfloat16 a, __nv_bfloat16 b) { return static_cast<float>(a) + static_cast<float>(b); }
inline __nv_bfloat16 __hmul(__nv_bfloat16 a, __nv_bfloat16 b) { return static_cast<float>(a) * static_cast<float>(b); }
inline __nv_bfloat16 __hmax(__nv_bfloat16 a, __nv_bfloat16 b) { return fmaxf(a, b); }

}  // namespace glmv_simt_facade
// NOLINTEND(bugprone-reserved-identifier)
