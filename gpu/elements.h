// Elements as the plain kernels read and write them: any stored type, widened to float. The type is looked up for every
// element, which is slow and short.
#pragma once

#include "gpu/launch.h"
#include "reference/core/rounding.h"
#include "reference/core/weight.h"

namespace glmv::GLMV_BACKEND {

__device__ inline float load(const void* data, DType t, int64_t at) {
  switch (t) {
    case DType::f32: return static_cast<const float*>(data)[at];
    case DType::bf16: return static_cast<float>(static_cast<const bf16*>(data)[at]);
    case DType::f16: return static_cast<float>(static_cast<const f16*>(data)[at]);
    case DType::f8e4m3: return static_cast<float>(static_cast<const f8e4m3*>(data)[at]);
    default: return __int_as_float(0x7fffffff);  // no float type: NaN, which every comparison finds
  }
}

__device__ inline void store(void* data, DType t, int64_t at, float x) {
  switch (t) {
    case DType::f32: static_cast<float*>(data)[at] = x; break;
    case DType::bf16: static_cast<bf16*>(data)[at] = bf16(x); break;
    default: break;  // outputs are f32 or bf16: check() of the op has seen to it
  }
}

/// Place of an element, whatever the kind of view.
template <class V>
__device__ int64_t place(const V& v, int64_t i) {
  return i * v.stride[0];
}
template <class V>
__device__ int64_t place(const V& v, int64_t i, int64_t j) {
  return i * v.stride[0] + j * v.stride[1];
}
template <class V>
__device__ int64_t place(const V& v, int64_t i, int64_t j, int64_t k) {
  return i * v.stride[0] + j * v.stride[1] + k * v.stride[2];
}

/// Element [i, ...] of a view as float.
template <class V, class... Index>
__device__ float get(const V& v, Index... i) {
  return load(v.data, v.dtype, place(v, static_cast<int64_t>(i)...));
}
template <class... Index>
__device__ void set(const TensorView& v, float x, Index... i) {
  store(v.data, v.dtype, place(v, static_cast<int64_t>(i)...), x);
}

/// Element [i, ...] of an i32 view.
template <class V, class... Index>
__device__ int32_t& int_at(const V& v, Index... i) {
  return const_cast<int32_t*>(static_cast<const int32_t*>(v.data))[place(v, static_cast<int64_t>(i)...)];
}

/// Element of a weight [N, K] in any format.
__device__ inline float weight_at(const Weight& w, int64_t n, int64_t k) {
  const float value = get(w.data, n, k);
  return w.format == Format::fp8_per_row ? value * get(w.scale, n, int64_t(0)) : value;
}

/// What the op's inner values are rounded to.
inline DType inner_type(Rounding rounding, DType out) { return rounding == Rounding::hf ? out : DType::f32; }

/// Devices compute in f32 and store f32 or bf16; a gold run is the reference's.
inline void check_type(const char* op, DType t) {
  GLMV_CHECK(t == DType::f32 || t == DType::bf16, op, ": ", name_of(t), " is not computed on this backend");
}

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

}  // namespace glmv::GLMV_BACKEND
