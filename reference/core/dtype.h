// Element types and their conversions, bit-exact on host and device.
//
// bf16, f16 and f8e4m3 are our own plain structs: a value is its bits. Conversion to float is exact;
// conversion from float rounds to nearest, ties to even (f8e4m3 saturates to +-448, as GPU conversions do).
// Included by device code, so it is plain C++17 without library types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__HIPCC__)
#include <hip/hip_runtime.h>  // nvcc knows __host__, __device__ and memcpy on a device by itself
#endif

#if defined(__CUDACC__) || defined(__HIPCC__)
#define GLMV_HD __host__ __device__
#else
#define GLMV_HD
#endif

namespace glmv {

enum class DType : uint8_t { f64, f32, f16, bf16, f8e4m3, i64, i32, u8 };

/// Bytes of one element.
constexpr size_t size_of(DType t) {
  switch (t) {
    case DType::f64:
    case DType::i64: return 8;
    case DType::f32:
    case DType::i32: return 4;
    case DType::f16:
    case DType::bf16: return 2;
    case DType::f8e4m3:
    case DType::u8: return 1;
  }
  return 0;
}

/// "f32", "bf16", ...
constexpr const char* name_of(DType t) {
  switch (t) {
    case DType::f64: return "f64";
    case DType::f32: return "f32";
    case DType::f16: return "f16";
    case DType::bf16: return "bf16";
    case DType::f8e4m3: return "f8e4m3";
    case DType::i64: return "i64";
    case DType::i32: return "i32";
    case DType::u8: return "u8";
  }
  return "?";
}

constexpr bool is_float(DType t) {
  return t == DType::f64 || t == DType::f32 || t == DType::f16 || t == DType::bf16 || t == DType::f8e4m3;
}

namespace detail {
GLMV_HD inline uint32_t bits_of(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  return u;
}
GLMV_HD inline float float_of(uint32_t u) {
  float x;
  memcpy(&x, &u, 4);
  return x;
}
}  // namespace detail

/// bfloat16: the upper half of a float.
struct bf16 {
  uint16_t bits;

  bf16() = default;
  GLMV_HD explicit bf16(float x) {
    const uint32_t u = detail::bits_of(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) {
      bits = static_cast<uint16_t>((u >> 16) | 0x40u);  // keep it a quiet NaN
    } else {
      bits = static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
    }
  }
  GLMV_HD explicit operator float() const { return detail::float_of(static_cast<uint32_t>(bits) << 16); }
};

/// IEEE half precision.
struct f16 {
  uint16_t bits;

  f16() = default;
  GLMV_HD explicit f16(float x);
  GLMV_HD explicit operator float() const;
};

/// OCP 8-bit float, 4 exponent and 3 mantissa bits, no infinity, NaN = S.1111.111, largest value 448.
struct f8e4m3 {
  uint8_t bits;

  f8e4m3() = default;
  GLMV_HD explicit f8e4m3(float x);
  GLMV_HD explicit operator float() const;
};

GLMV_HD inline f16::f16(float x) {
  const uint32_t u = detail::bits_of(x);
  const uint32_t sign = (u >> 16) & 0x8000u;
  const uint32_t magnitude = u & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {  // NaN: keep the top payload bits, make it quiet
    bits = static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x1ffu));
  } else if (magnitude >= 0x477ff000u) {  // rounds to 65536 or more
    bits = static_cast<uint16_t>(sign | 0x7c00u);
  } else if (magnitude < 0x38800000u) {  // below 2^-14: a multiple of 2^-24
    // Adding 0.5 puts the wanted bits at the end of the mantissa and lets the hardware round them.
    const float shifted = detail::float_of(magnitude) + 0.5f;
    bits = static_cast<uint16_t>(sign | (detail::bits_of(shifted) - 0x3f000000u));
  } else {
    const uint32_t rebased = magnitude - 0x38000000u;
    bits = static_cast<uint16_t>(sign | ((rebased + 0xfffu + ((rebased >> 13) & 1u)) >> 13));
  }
}

GLMV_HD inline f16::operator float() const {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return detail::float_of(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
  if (magnitude < 0x400u) {  // subnormal: magnitude * 2^-24, exact in float
    const float value = static_cast<float>(magnitude) * 5.9604644775390625e-8f;
    return detail::float_of(sign | detail::bits_of(value));
  }
  return detail::float_of(sign | ((magnitude << 13) + 0x38000000u));
}

GLMV_HD inline f8e4m3::f8e4m3(float x) {
  const uint32_t u = detail::bits_of(x);
  const uint32_t sign = (u >> 24) & 0x80u;
  const uint32_t magnitude = u & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    bits = static_cast<uint8_t>(sign | 0x7fu);
  } else if (magnitude >= 0x43e80000u) {  // 464 = halfway between 448 and the NaN slot: saturate
    bits = static_cast<uint8_t>(sign | 0x7eu);
  } else if (magnitude < 0x3c800000u) {  // below 2^-6: a multiple of 2^-9
    const float shifted = detail::float_of(magnitude) + 16384.0f;
    bits = static_cast<uint8_t>(sign | (detail::bits_of(shifted) - 0x46800000u));
  } else {
    const uint32_t rebased = magnitude - 0x3c000000u;
    bits = static_cast<uint8_t>(sign | ((rebased + 0x7ffffu + ((rebased >> 20) & 1u)) >> 20));
  }
}

GLMV_HD inline f8e4m3::operator float() const {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x80u) << 24;
  const uint32_t magnitude = bits & 0x7fu;
  if (magnitude == 0x7fu) return detail::float_of(sign | 0x7fc00000u);
  if (magnitude < 0x08u) {
    const float value = static_cast<float>(magnitude) * 0.001953125f;  // * 2^-9
    return detail::float_of(sign | detail::bits_of(value));
  }
  return detail::float_of(sign | ((magnitude << 20) + 0x3c000000u));
}

/// The DType of a C++ element type.
template <class T>
struct DTypeOf;
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<f16> {
  static constexpr DType value = DType::f16;
};
template <>
struct DTypeOf<bf16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<f8e4m3> {
  static constexpr DType value = DType::f8e4m3;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::u8;
};

/// `x` rounded to the storage type and widened again: where a model rounds, a body says round_to(t, x).
/// double: only f64 leaves it untouched.  float: f64 and f32 do.
GLMV_HD inline float round_to(DType t, float x) {
  switch (t) {
    case DType::bf16: return static_cast<float>(bf16(x));
    case DType::f16: return static_cast<float>(f16(x));
    case DType::f8e4m3: return static_cast<float>(f8e4m3(x));
    default: return x;
  }
}
GLMV_HD inline double round_to(DType t, double x) {
  return t == DType::f64 ? x : static_cast<double>(round_to(t, static_cast<float>(x)));
}

/// Distance from |x| to the next larger value that `t` can hold (its unit in the last place at x).
/// Subnormal values have the spacing of the smallest normal one. Undefined for integers (returns 0).
double ulp_at(DType t, double x);

/// Of two float types the one with the larger ulps.
DType coarser(DType a, DType b);

}  // namespace glmv
