// Arithmetic intrinsics. The fast ones are the host's exact ones: device results may differ in the last places.
#pragma once

#include <math.h>  // NOLINT(modernize-deprecated-headers): device code uses the global names

#include <cstdint>

#include "simt/facade/common/shuffle_bits.h"

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the vendors'
inline namespace glmv_simt_facade {

inline float __int_as_float(int x) { return value_of_bits<float>(bits_of_value(x)); }
inline float __uint_as_float(unsigned x) { return value_of_bits<float>(x); }
inline int __float_as_int(float x) { return value_of_bits<int>(bits_of_value(x)); }
inline unsigned __float_as_uint(float x) { return value_of_bits<unsigned>(bits_of_value(x)); }
inline long long __double_as_longlong(double x) { return value_of_bits<long long>(bits_of_value(x)); }
inline double __longlong_as_double(long long x) { return value_of_bits<double>(bits_of_value(x)); }

inline float __expf(float x) { return expf(x); }
inline float __exp10f(float x) { return powf(10.0f, x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frsqrt_rn(float x) { return static_cast<float>(1.0 / sqrt(static_cast<double>(x))); }
inline float rsqrtf(float x) { return __frsqrt_rn(x); }
inline float __saturatef(float x) { return x > 0.0f ? fminf(x, 1.0f) : 0.0f; }
// What the compiler may not contract into a fused multiply-add.
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline double __dadd_rn(double x, double y) { return x + y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline int __float2int_rn(float x) { return static_cast<int>(rintf(x)); }
inline int __float2int_rz(float x) { return static_cast<int>(x); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x)); }

template <class T>
constexpr T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}

}  // namespace glmv_simt_facade
// NOLINTEND(bugprone-reserved-identifier)
