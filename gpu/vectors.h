// Several elements by one memory access: 8, 16 or 32 bytes, aligned to 16 or to their size if that is less.
#pragma once

#include "gpu/vendor.h"
#if defined(__CUDACC__) && !defined(GLMV_GPU_HIP)
#include <cuda_bf16.h>
#endif

#include "gpu/elements.h"
#include "gpu/number.h"

namespace glmv::GLMV_BACKEND {

/// Elements of T in 16 bytes.
template <class T>
constexpr int kVector = static_cast<int>(16 / sizeof(T));

namespace detail {
#if GLMV_EMULATED
// A GPU stops at a misaligned access, a CPU does not mind.
inline void check_alignment(const void* p, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(p) % (bytes < 16 ? bytes : 16) != 0)
    simt::fail({__FILE__, __LINE__}, "a vector access is not aligned");
}
#endif
}  // namespace detail

template <int Words>
__device__ GPU_INLINE void load_words(const void* from, uint32_t (&to)[Words]) {
  static_assert(Words == 1 || Words == 2 || Words % 4 == 0, "4, 8 or a multiple of 16 bytes");
#if GLMV_EMULATED
  detail::check_alignment(from, sizeof(to));
  memcpy(to, from, sizeof(to));
#else
  if constexpr (Words == 1) {
    to[0] = *static_cast<const uint32_t*>(from);
  } else if constexpr (Words == 2) {
    const uint2 v = *static_cast<const uint2*>(from);
    to[0] = v.x, to[1] = v.y;
  } else {
    GPU_UNROLL
    for (int i = 0; i < Words / 4; ++i) {
      const uint4 v = static_cast<const uint4*>(from)[i];
      to[4 * i] = v.x, to[4 * i + 1] = v.y, to[4 * i + 2] = v.z, to[4 * i + 3] = v.w;
    }
  }
#endif
}

/// The same, or zeros where there is nothing to read.
template <int Words>
__device__ GPU_INLINE void load_words_if(bool there, const void* from, uint32_t (&to)[Words]) {
  GPU_UNROLL
  for (int i = 0; i < Words; ++i) to[i] = 0;
  if (there) load_words(from, to);
}

/// 16 bytes that nobody reads again: they do not displace others from the cache.
__device__ GPU_INLINE void load_once(const void* from, uint32_t (&to)[4]) {
#if GLMV_EMULATED
  load_words(from, to);
#elif defined(__CUDACC__)
  const uint4 v = __ldcs(static_cast<const uint4*>(from));
  to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
#else
  using Words = uint32_t __attribute__((ext_vector_type(4)));
  const Words v = __builtin_nontemporal_load(static_cast<const Words*>(from));
  to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
#endif
}

template <int Words>
__device__ GPU_INLINE void store_words(void* to, const uint32_t (&from)[Words]) {
  static_assert(Words == 1 || Words == 2 || Words % 4 == 0, "4, 8 or a multiple of 16 bytes");
#if GLMV_EMULATED
  detail::check_alignment(to, sizeof(from));
  memcpy(to, from, sizeof(from));
#else
  if constexpr (Words == 1) {
    *static_cast<uint32_t*>(to) = from[0];
  } else if constexpr (Words == 2) {
    *static_cast<uint2*>(to) = make_uint2(from[0], from[1]);
  } else {
    GPU_UNROLL
    for (int i = 0; i < Words / 4; ++i)
      static_cast<uint4*>(to)[i] = make_uint4(from[4 * i], from[4 * i + 1], from[4 * i + 2], from[4 * i + 3]);
  }
#endif
}

/// Two bf16 in a word, the first in the lower half.
__device__ GPU_INLINE uint32_t pack_bf16(float first, float second) {
#if defined(__CUDACC__) && !defined(GLMV_GPU_HIP)  // one instruction
  const __nv_bfloat162 pair = __floats2bfloat162_rn(first, second);
  uint32_t word;
  memcpy(&word, &pair, 4);
  return word;
#else
  return bf16(first).bits | static_cast<uint32_t>(bf16(second).bits) << 16;
#endif
}
__device__ inline float low_bf16(uint32_t word) { return __uint_as_float(word << 16); }
__device__ inline float high_bf16(uint32_t word) { return __uint_as_float(word & 0xffff0000u); }

/// N elements, widened. N = 1 asks for no alignment.
template <int N>
__device__ GPU_INLINE void load_values(const bf16* from, float (&to)[N]) {
  if constexpr (N == 1) {
    to[0] = static_cast<float>(*from);
  } else {
    uint32_t words[N / 2];
    load_words(from, words);
    GPU_UNROLL
    for (int i = 0; i < N / 2; ++i) to[2 * i] = low_bf16(words[i]), to[2 * i + 1] = high_bf16(words[i]);
  }
}
template <int N>
__device__ GPU_INLINE void load_values(const float* from, float (&to)[N]) {
  if constexpr (N == 1) {
    to[0] = *from;
  } else {
    uint32_t words[N];
    load_words(from, words);
    GPU_UNROLL
    for (int i = 0; i < N; ++i) to[i] = __uint_as_float(words[i]);
  }
}
/// The same of a type that is known at run time only. Vectors are of f32 or bf16, see takes_vectors.
template <int N>
__device__ GPU_INLINE void load_values(const void* from, DType t, int64_t at, float (&to)[N]) {
  if constexpr (N == 1) {
    to[0] = load(from, t, at);
  } else if (t == DType::bf16) {
    load_values(static_cast<const bf16*>(from) + at, to);
  } else {
    load_values(static_cast<const float*>(from) + at, to);
  }
}

/// N elements, rounded to the type.
template <int N>
__device__ GPU_INLINE void store_values(bf16* to, const float (&from)[N]) {
  if constexpr (N == 1) {
    *to = bf16(from[0]);
  } else {
    uint32_t words[N / 2];
    GPU_UNROLL
    for (int i = 0; i < N / 2; ++i) words[i] = pack_bf16(from[2 * i], from[2 * i + 1]);
    store_words(to, words);
  }
}
template <int N>
__device__ GPU_INLINE void store_values(float* to, const float (&from)[N]) {
  if constexpr (N == 1) {
    *to = from[0];
  } else {
    uint32_t words[N];
    GPU_UNROLL
    for (int i = 0; i < N; ++i) words[i] = __float_as_uint(from[i]);
    store_words(to, words);
  }
}

/// True if vectors of `n` elements of `v` (f32 or bf16) may be loaded from every multiple of n of its last axis.
inline bool takes_vectors(const ConstTensorView& v, int n) {
  const size_t bytes = static_cast<size_t>(n) * size_of(v.dtype), unit = bytes < 16 ? bytes : 16;
  bool good = v.dtype == DType::f32 || v.dtype == DType::bf16;
  good = good && reinterpret_cast<uintptr_t>(v.data) % unit == 0 && v.dim[v.rank - 1] % n == 0;
  for (int i = 0; i < v.rank - 1; ++i) good = good && (v.dim[i] <= 1 || v.stride[i] % n == 0);
  return good && (v.dim[v.rank - 1] <= 1 || v.stride[v.rank - 1] == 1);
}

/// A matrix with adjacent columns as kernels of one type take it.
template <class T>
struct Rows {
  T* data;
  int64_t stride;

  Rows(const TensorView& v) : data(static_cast<T*>(v.data)), stride(v.stride[0]) {}       // NOLINT: a view as it is
  Rows(const ConstTensorView& v) : data(static_cast<T*>(v.data)), stride(v.stride[0]) {}  // NOLINT
  __device__ T* operator[](int64_t row) const { return data + row * stride; }
};

/// f(a value of the type): the two types that activations have.
template <class F>
void with_type(DType t, F f) {
  if (t == DType::f32)
    f(float());
  else
    f(bf16());
}

}  // namespace glmv::GLMV_BACKEND
