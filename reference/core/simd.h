// Eight float lanes (or four double lanes) with one fixed order of arithmetic.
//
// A lane type is a GCC/Clang vector; without AVX2 the compiler emits narrower instructions for the same lanes, so
// results have the same bits on every machine that has fused multiply-add.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "reference/core/dtype.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#endif

namespace glmv::simd {

typedef float f32x8 __attribute__((vector_size(32)));
typedef double f64x4 __attribute__((vector_size(32)));
typedef int32_t i32x8 __attribute__((vector_size(32)));

/// The lane type of an accumulator and how many lanes it has.
template <class Acc>
struct Lanes;
template <>
struct Lanes<float> {
  using type = f32x8;
  static constexpr int count = 8;
};
template <>
struct Lanes<double> {
  using type = f64x4;
  static constexpr int count = 4;
};

template <class Acc>
using Vec = typename Lanes<Acc>::type;

template <class Acc>
inline Vec<Acc> load(const Acc* p) {
  Vec<Acc> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class Acc, class V>
inline void store(Acc* p, V v) {
  std::memcpy(p, &v, sizeof v);
}
template <class Acc>
inline Vec<Acc> splat(Acc x);
template <>
inline f32x8 splat<float>(float x) {
  return f32x8{x, x, x, x, x, x, x, x};
}
template <>
inline f64x4 splat<double>(double x) {
  return f64x4{x, x, x, x};
}

/// The widest vectors of this machine, for products: 16 float lanes where it has AVX-512, else the eight above. The
/// lanes of a product never meet, so its bits do not depend on the width.
#if defined(__AVX512F__)
typedef float f32x16 __attribute__((vector_size(64)));
typedef double f64x8 __attribute__((vector_size(64)));
template <class Acc>
struct WideLanes;
template <>
struct WideLanes<float> {
  using type = f32x16;
  static constexpr int count = 16;
};
template <>
struct WideLanes<double> {
  using type = f64x8;
  static constexpr int count = 8;
};
inline void splat(float x, f32x16& v) { v = static_cast<f32x16>(_mm512_set1_ps(x)); }
inline void splat(double x, f64x8& v) { v = static_cast<f64x8>(_mm512_set1_pd(x)); }
inline f32x16 fma(f32x16 a, f32x16 b, f32x16 c) {
  return static_cast<f32x16>(_mm512_fmadd_ps(static_cast<__m512>(a), static_cast<__m512>(b), static_cast<__m512>(c)));
}
inline f64x8 fma(f64x8 a, f64x8 b, f64x8 c) {
  return static_cast<f64x8>(_mm512_fmadd_pd(static_cast<__m512d>(a), static_cast<__m512d>(b), static_cast<__m512d>(c)));
}
#else
template <class Acc>
using WideLanes = Lanes<Acc>;
#endif
inline void splat(float x, f32x8& v) { v = splat(x); }
inline void splat(double x, f64x4& v) { v = splat(x); }

/// A vector of any width from memory.
template <class V, class Acc>
inline V load_as(const Acc* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

/// Hides where a value came from: the compiler would rather load an operand again for every use than keep it, and
/// three loads per multiply-add are more than the processor can do.
template <class V>
inline void keep_in_register(V& v) {
#if defined(__AVX512F__)
  asm("" : "+v"(v));
#elif defined(__AVX2__)
  asm("" : "+x"(v));
#else
  (void)v;
#endif
}

/// a * b + c with one rounding.
inline f32x8 fma(f32x8 a, f32x8 b, f32x8 c) {
#if defined(__FMA__)
  return static_cast<f32x8>(_mm256_fmadd_ps(static_cast<__m256>(a), static_cast<__m256>(b), static_cast<__m256>(c)));
#else
  for (int i = 0; i < 8; ++i) c[i] = std::fma(a[i], b[i], c[i]);
  return c;
#endif
}
inline f64x4 fma(f64x4 a, f64x4 b, f64x4 c) {
#if defined(__FMA__)
  return static_cast<f64x4>(_mm256_fmadd_pd(static_cast<__m256d>(a), static_cast<__m256d>(b), static_cast<__m256d>(c)));
#else
  for (int i = 0; i < 4; ++i) c[i] = std::fma(a[i], b[i], c[i]);
  return c;
#endif
}

/// Sum of the lanes: with a..d = lanes 0+4, 1+5, 2+6, 3+7 it is (a + b) + (c + d), the order of two horizontal adds.
inline float sum(f32x8 v) {
  const float a = v[0] + v[4], b = v[1] + v[5], c = v[2] + v[6], d = v[3] + v[7];
  return (a + b) + (c + d);
}
inline double sum(f64x4 v) { return (v[0] + v[1]) + (v[2] + v[3]); }

/// Rows become columns.
inline void transpose(f32x8 (&v)[8]) {
  f32x8 pair[8], four[8];
  for (int i = 0; i < 8; i += 2) {
    pair[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pair[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int j = 0; j < 2; ++j) {
      four[i + 2 * j] = __builtin_shufflevector(pair[i + j], pair[i + 2 + j], 0, 1, 8, 9, 4, 5, 12, 13);
      four[i + 2 * j + 1] = __builtin_shufflevector(pair[i + j], pair[i + 2 + j], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < 4; ++i) {
    v[i] = __builtin_shufflevector(four[i], four[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    v[i + 4] = __builtin_shufflevector(four[i], four[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}
/// Rows of 32-bit units, whatever is in them.
inline void transpose(i32x8 (&v)[8]) {
  f32x8 bits[8];
  for (int i = 0; i < 8; ++i) bits[i] = reinterpret_cast<f32x8>(v[i]);
  transpose(bits);
  for (int i = 0; i < 8; ++i) v[i] = reinterpret_cast<i32x8>(bits[i]);
}
inline void transpose(f64x4 (&v)[4]) {
  f64x4 pair[4];
  for (int i = 0; i < 4; i += 2) {
    pair[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 4, 2, 6);
    pair[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 1, 5, 3, 7);
  }
  for (int i = 0; i < 2; ++i) {
    v[i] = __builtin_shufflevector(pair[i], pair[i + 2], 0, 1, 4, 5);
    v[i + 2] = __builtin_shufflevector(pair[i], pair[i + 2], 2, 3, 6, 7);
  }
}

/// Eight bf16 values widened to float.
inline f32x8 widen(const bf16* p) {
#if defined(__AVX2__)
  const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return reinterpret_cast<f32x8>(_mm256_slli_epi32(_mm256_cvtepu16_epi32(raw), 16));
#else
  f32x8 v;
  for (int i = 0; i < 8; ++i) v[i] = static_cast<float>(p[i]);
  return v;
#endif
}

/// Of a pair of bf16 values in each lane the first, or the second, widened.
inline f32x8 first_of_pairs(i32x8 pairs) { return reinterpret_cast<f32x8>(pairs << 16); }
inline f32x8 second_of_pairs(i32x8 pairs) { return reinterpret_cast<f32x8>(pairs & -65536); }

/// Two adjacent bf16 values, each widened and in all lanes: one load for both.
inline void splat_pair(const bf16* p, f32x8& first, f32x8& second) {
#if defined(__AVX2__)
  int32_t both;
  std::memcpy(&both, p, sizeof both);
  const __m256i lanes = _mm256_set1_epi32(both);
  first = reinterpret_cast<f32x8>(_mm256_slli_epi32(lanes, 16));
  second = reinterpret_cast<f32x8>(_mm256_and_si256(lanes, _mm256_set1_epi32(-65536)));
#else
  first = splat(static_cast<float>(p[0])), second = splat(static_cast<float>(p[1]));
#endif
}
#if defined(__AVX512F__)
inline void splat_pair(const bf16* p, f32x16& first, f32x16& second) {
  int32_t both;
  std::memcpy(&both, p, sizeof both);
  const __m512i lanes = _mm512_set1_epi32(both);
  first = reinterpret_cast<f32x16>(_mm512_slli_epi32(lanes, 16));
  second = reinterpret_cast<f32x16>(_mm512_and_si512(lanes, _mm512_set1_epi32(-65536)));
}
#endif
/// Each lane rounded to bf16 and widened again, as float(bf16(x)).
inline f32x8 round_to_bf16(f32x8 x) {
  using u32x8 = uint32_t __attribute__((vector_size(32)));
  const u32x8 bits = reinterpret_cast<u32x8>(x);
  const u32x8 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
  const u32x8 quiet = (bits | 0x400000u) & 0xffff0000u;
  // NOLINTNEXTLINE(misc-redundant-expression): false in lanes that hold NaN
  return x == x ? reinterpret_cast<f32x8>(rounded) : reinterpret_cast<f32x8>(quiet);
}

/// 2^n * e^r per lane for whole n and |r| <= ln 2 / 2: the degree-6 minimax polynomial of Cephes expf.
inline f32x8 scaled_exp(f32x8 n, f32x8 r) {
  f32x8 p = splat<float>(1.9875691500e-4f);
  p = fma(p, r, splat<float>(1.3981999507e-3f));
  p = fma(p, r, splat<float>(8.3334519073e-3f));
  p = fma(p, r, splat<float>(4.1665795894e-2f));
  p = fma(p, r, splat<float>(1.6666665459e-1f));
  p = fma(p, r, splat<float>(5.0000001201e-1f));
  p = fma(p, r * r, r + 1.0f);
  // Scale by 2^n in two steps, so that results below the normal range are rounded once and do not wrap.
  const i32x8 half = __builtin_convertvector(n, i32x8) >> 1;
  const i32x8 rest = __builtin_convertvector(n, i32x8) - half;
  const f32x8 a = reinterpret_cast<f32x8>((half + 127) << 23);
  const f32x8 b = reinterpret_cast<f32x8>((rest + 127) << 23);
  return p * a * b;
}

/// x / ln 2 to the nearest whole number, x kept where the scaling works.
inline f32x8 exponent_of(f32x8& x) {
  const f32x8 lowest = splat<float>(-104.0f), highest = splat<float>(89.5f);
  x = x < lowest ? lowest : x;
  x = x > highest ? highest : x;
  const f32x8 shifter = splat<float>(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  return fma(x, splat<float>(1.44269504088896341f), shifter) - shifter;
}

/// e^x per lane within 2 ulp; below -104 it is 0, above 88.73 it is infinity. Ln 2 is taken off in two parts.
inline f32x8 exp(f32x8 x) {
  const f32x8 n = exponent_of(x);
  return scaled_exp(n, fma(n, splat<float>(2.12194440e-4f), fma(n, splat<float>(-0.693359375f), x)));
}

/// e^x as 2^(x / ln 2) with the quotient rounded, which is what a GPU's fast exponential does: off by up to |x| / 2
/// ulp.
inline f32x8 fast_exp(f32x8 x) {
  const f32x8 n = exponent_of(x);
  return scaled_exp(n, (x * splat<float>(1.44269504088896341f) - n) * splat<float>(0.69314718055994531f));
}

inline f64x4 exp(f64x4 x) {
  for (int i = 0; i < 4; ++i) x[i] = std::exp(x[i]);
  return x;
}
inline f64x4 fast_exp(f64x4 x) { return exp(x); }

}  // namespace glmv::simd
