#include "reference/core/rows.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace glmv {
namespace {

template <class T, class Acc>
void widen_all(const void* from, int64_t n, Acc* to) {
  const auto* p = static_cast<const T*>(from);
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_arithmetic_v<T>) {
      to[i] = static_cast<Acc>(p[i]);
    } else {
      to[i] = static_cast<Acc>(static_cast<float>(p[i]));
    }
  }
}

/// What weights are: eight at a time.
void widen_bf16(const void* from, int64_t n, float* to) {
  const auto* p = static_cast<const bf16*>(from);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) simd::store(to + i, simd::widen(p + i));
  for (; i < n; ++i) to[i] = static_cast<float>(p[i]);
}

template <class T, class Acc>
void round_all(const Acc* from, int64_t n, void* to) {
  auto* p = static_cast<T*>(to);
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_arithmetic_v<T>) {
      p[i] = static_cast<T>(from[i]);
    } else {
      p[i] = T(static_cast<float>(from[i]));
    }
  }
}

}  // namespace

template <class Acc>
void load_row(const void* from, DType t, int64_t n, Acc* to) {
  switch (t) {
    case DType::f64: return widen_all<double>(from, n, to);
    case DType::f32: return widen_all<float>(from, n, to);
    case DType::f16: return widen_all<f16>(from, n, to);
    case DType::bf16:
      if constexpr (std::is_same_v<Acc, float>) return widen_bf16(from, n, to);
      return widen_all<bf16>(from, n, to);
    case DType::f8e4m3: return widen_all<f8e4m3>(from, n, to);
    default: input_error("a row of ", name_of(t), " where numbers are wanted");
  }
}

template <class Acc>
void store_row(const Acc* from, int64_t n, DType t, void* to) {
  switch (t) {
    case DType::f64: return round_all<double>(from, n, to);
    case DType::f32: return round_all<float>(from, n, to);
    case DType::f16: return round_all<f16>(from, n, to);
    case DType::bf16: return round_all<bf16>(from, n, to);
    case DType::f8e4m3: return round_all<f8e4m3>(from, n, to);
    default: input_error("a row of ", name_of(t), " where numbers are wanted");
  }
}

template void load_row(const void*, DType, int64_t, float*);
template void load_row(const void*, DType, int64_t, double*);
template void store_row(const float*, int64_t, DType, void*);
template void store_row(const double*, int64_t, DType, void*);

template <class Acc>
void round_row(DType t, Acc* x, int64_t n) {
  int64_t i = 0;
  if constexpr (std::is_same_v<Acc, float>) {
    if (t == DType::f32) return;
    for (; t == DType::bf16 && i + 8 <= n; i += 8) simd::store(x + i, simd::round_to_bf16(simd::load(x + i)));
  }
  for (; i < n; ++i) x[i] = round_to(t, x[i]);
}
template void round_row(DType, float*, int64_t);
template void round_row(DType, double*, int64_t);

int64_t first_not_finite(const ConstTensorView& v) {
  GLMV_CHECK(v.space == Space::host && v.contiguous(), "contiguous host memory is wanted, got ", v);
  if (!is_float(v.dtype)) return -1;
  constexpr int64_t kBlock = 4096;
  std::vector<double> block(static_cast<size_t>(kBlock));
  for (int64_t begin = 0; begin < v.size(); begin += kBlock) {
    const int64_t n = std::min(kBlock, v.size() - begin);
    load_row(static_cast<const char*>(v.data) + begin * static_cast<int64_t>(size_of(v.dtype)), v.dtype, n,
             block.data());
    const auto end = block.begin() + n;
    const auto found = std::find_if(block.begin(), end, [](double x) { return !std::isfinite(x); });
    if (found != end) return begin + (found - block.begin());
  }
  return -1;
}

}  // namespace glmv
