// Stands in for NVIDIA's header of that name: OCP E4M3 with the bits and the rounding of glmv::f8e4m3.
#pragma once

#include "reference/core/dtype.h"
#include "simt/facade/cuda_bf16.h"

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the vendor's
inline namespace glmv_simt_facade {

using __nv_fp8_storage_t = unsigned char;
enum __nv_saturation_t { __NV_NOSAT, __NV_SATFINITE };
enum __nv_fp8_interpretation_t { __NV_E4M3, __NV_E5M2 };

/// Saturating, to nearest even. Only E4M3 with saturation is emulated; anything else is a report.
inline __nv_fp8_storage_t __nv_cvt_float_to_fp8(float x, __nv_saturation_t saturate, __nv_fp8_interpretation_t kind,
                                                GLMV_SIMT_HERE) {
  if (kind != __NV_E4M3 || saturate != __NV_SATFINITE) {
    ::glmv::simt::fail(place, "__nv_cvt_float_to_fp8: only saturating E4M3 is emulated");
  }
  return ::glmv::f8e4m3(x).bits;
}

struct __nv_fp8_e4m3 {
  __nv_fp8_storage_t __x;

  __nv_fp8_e4m3() = default;
  explicit __nv_fp8_e4m3(float x) : __x(::glmv::f8e4m3(x).bits) {}
  explicit __nv_fp8_e4m3(__nv_bfloat16 x) : __nv_fp8_e4m3(static_cast<float>(x)) {}
  explicit operator float() const {
    ::glmv::f8e4m3 x;
    x.bits = __x;
    return static_cast<float>(x);
  }
};

}  // namespace glmv_simt_facade
// NOLINTEND(bugprone-reserved-identifier)
