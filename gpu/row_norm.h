// What the norms share: a block per row, the row's values in registers between the sums and the write.
#pragma once

#include "gpu/elementwise.h"

namespace glmv::GLMV_BACKEND {

constexpr int kNormThreads = 256;
constexpr int kHeldValues = 32;                             // per thread
constexpr int64_t kHeldWidth = kNormThreads * kHeldValues;  // 8192

/// f(h) for the places of a row at which the thread's vectors of N start.
template <int N, class F>
__device__ void for_each_vector(int64_t width, F f) {
  for (int64_t h = N * threadIdx.x; h < width; h += N * blockDim.x) f(h);
}

/// A thread's values of a row of at most kHeldWidth: read once, kept in registers.
template <class T, int N>
class HeldRow {
 public:
  __device__ HeldRow(const T*, int64_t width) : width_(width) {}

  /// Reads the row; f(h, values) may change them.
  template <class F>
  __device__ GPU_INLINE void read(const T* row, F f) {
    each([&](int64_t h, float(&v)[N]) {
      load_values(row + h, v);
      f(h, v);
    });
  }
  /// f(h, values) as `read` left them.
  template <class F>
  __device__ GPU_INLINE void again(F f) {
    each(f);
  }

 private:
  template <class F>
  __device__ GPU_INLINE void each(F f) {
    GPU_UNROLL
    for (int i = 0; i < kHeldValues / N; ++i) {
      const int64_t h = N * (threadIdx.x + i * static_cast<int64_t>(blockDim.x));
      if (h < width_) f(h, values_[i]);
    }
  }
  int64_t width_;
  float values_[kHeldValues / N][N];
};

/// The same for a row of any width: read again from memory, where whoever changed the values has written them.
template <class T, int N>
class StreamedRow {
 public:
  __device__ StreamedRow(const T* row, int64_t width) : row_(row), width_(width) {}

  template <class F>
  __device__ GPU_INLINE void read(const T* row, F f) {
    for_each_vector<N>(width_, [&](int64_t h) {
      float v[N];
      load_values(row + h, v);
      f(h, v);
    });
  }
  template <class F>
  __device__ GPU_INLINE void again(F f) {
    read(row_, f);
  }

 private:
  const T* row_;
  int64_t width_;
};

/// A weight or bias [H] of any float type.
struct Vector {
  const void* data;
  DType dtype;

  Vector(const ConstTensorView& v) : data(v.data), dtype(v.dtype) {}  // NOLINT: a view as it is
  template <int N>
  __device__ GPU_INLINE void get(int64_t h, float (&to)[N]) const {
    load_values(data, dtype, h, to);
  }
};

/// f(type, vector width, row) with row(T, N) the class that keeps the values: vectors where all views take them.
template <class F, class... Views>
void for_norm(DType dtype, int64_t width, F f, const Views&... views) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    constexpr int N = kVector<T>;
    const bool vectors = (takes_vectors(views, N) && ...), held = width <= kHeldWidth;
    if (vectors && held) return f(type, Number<N>(), static_cast<HeldRow<T, N>*>(nullptr));
    if (vectors) return f(type, Number<N>(), static_cast<StreamedRow<T, N>*>(nullptr));
    f(type, Number<1>(), static_cast<StreamedRow<T, 1>*>(nullptr));
  });
}

}  // namespace glmv::GLMV_BACKEND
