// Bodies of simt/mfma.h for hipcc and clang.
#pragma once

#include <cstdint>
#include <cstring>

namespace glmv::mfma {

#if GLMV_HAS_MFMA

namespace detail {
using Short4 = short __attribute__((ext_vector_type(4)));
using Float4 = float __attribute__((ext_vector_type(4)));
using Float16 = float __attribute__((ext_vector_type(16)));

template <class To, class From>
__device__ __forceinline__ To cast(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof(to));
  return to;
}
}  // namespace detail

__device__ __forceinline__ void mfma_16x16x16_bf16(float (&d)[4], const uint16_t (&a)[4], const uint16_t (&b)[4],
                                                   const float (&c)[4]) {
  const auto r = __builtin_amdgcn_mfma_f32_16x16x16bf16_1k(
      detail::cast<detail::Short4>(a), detail::cast<detail::Short4>(b), detail::cast<detail::Float4>(c), 0, 0, 0);
  __builtin_memcpy(d, &r, sizeof(d));
}

__device__ __forceinline__ void mfma_32x32x8_bf16(float (&d)[16], const uint16_t (&a)[4], const uint16_t (&b)[4],
                                                  const float (&c)[16]) {
  const auto r = __builtin_amdgcn_mfma_f32_32x32x8bf16_1k(
      detail::cast<detail::Short4>(a), detail::cast<detail::Short4>(b), detail::cast<detail::Float16>(c), 0, 0, 0);
  __builtin_memcpy(d, &r, sizeof(d));
}

#if GLMV_HAS_MFMA_FP8
__device__ __forceinline__ void mfma_16x16x32_fp8(float (&d)[4], uint64_t a, uint64_t b, const float (&c)[4]) {
  const auto r = __builtin_amdgcn_mfma_f32_16x16x32_fp8_fp8(static_cast<long>(a), static_cast<long>(b),
                                                            detail::cast<detail::Float4>(c), 0, 0, 0);
  __builtin_memcpy(d, &r, sizeof(d));
}
__device__ __forceinline__ void mfma_32x32x16_fp8(float (&d)[16], uint64_t a, uint64_t b, const float (&c)[16]) {
  const auto r = __builtin_amdgcn_mfma_f32_32x32x16_fp8_fp8(static_cast<long>(a), static_cast<long>(b),
                                                            detail::cast<detail::Float16>(c), 0, 0, 0);
  __builtin_memcpy(d, &r, sizeof(d));
}
#endif

#endif

}  // namespace glmv::mfma
