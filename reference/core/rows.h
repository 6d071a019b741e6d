// Rows of tensors: loads widen to the accumulator, stores round to the storage type, sums have one order.
//
// A body of the reference is templated on its accumulator only: double in an f64 run, float otherwise.
#pragma once

#include <vector>

#include "reference/core/exec.h"
#include "reference/core/simd.h"
#include "reference/core/view.h"

namespace glmv {

/// Calls f(Acc{}) with the accumulator type of a storage type.
template <class F>
void with_accumulator(DType storage, F f) {
  if (storage == DType::f64) {
    f(double{});
  } else {
    f(float{});
  }
}

/// Widens n adjacent elements of type t.
template <class Acc>
void load_row(const void* from, DType t, int64_t n, Acc* to);

/// Rounds n values to type t. Rounding a double to a 16-bit type goes through float.
template <class Acc>
void store_row(const Acc* from, int64_t n, DType t, void* to);

/// x[i] = round_to(t, x[i]) for a whole row.
template <class Acc>
void round_row(DType t, Acc* x, int64_t n);

/// Address of row i (axis 0) of a view; element addresses within it are the caller's.
inline const void* row_of(const ConstTensorView& v, int64_t i) {
  return static_cast<const char*>(v.data) + i * v.stride[0] * static_cast<int64_t>(size_of(v.dtype));
}
inline void* row_of(const TensorView& v, int64_t i) {
  return static_cast<char*>(v.data) + i * v.stride[0] * static_cast<int64_t>(size_of(v.dtype));
}
/// Address of element (i, j, ...) along the first two axes.
inline const void* row_of(const ConstTensorView& v, int64_t i, int64_t j) {
  return static_cast<const char*>(v.data) +
         (i * v.stride[0] + j * v.stride[1]) * static_cast<int64_t>(size_of(v.dtype));
}
inline void* row_of(const TensorView& v, int64_t i, int64_t j) {
  return static_cast<char*>(v.data) + (i * v.stride[0] + j * v.stride[1]) * static_cast<int64_t>(size_of(v.dtype));
}

/// A whole vector, widened.
template <class Acc>
std::vector<Acc> widened(const ConstTensorView& v) {
  GLMV_CHECK(v.rank == 1 && (v.dim[0] <= 1 || v.stride[0] == 1), "a vector with adjacent elements is wanted, got ", v);
  std::vector<Acc> out(static_cast<size_t>(v.dim[0]));
  load_row(v.data, v.dtype, v.dim[0], out.data());
  return out;
}

/// Flat row-major index of the first element that is NaN or an infinity; -1 if there is none. Contiguous host memory.
int64_t first_not_finite(const ConstTensorView& v);

/// sum_i a[i] * b[i]: lane l adds up i = l mod lanes, then the lanes are summed; the tail counts as zeros.
template <class Acc>
Acc dot(const Acc* a, const Acc* b, int64_t n) {
  constexpr int kLanes = simd::Lanes<Acc>::count;
  simd::Vec<Acc> acc{};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) acc = simd::fma(simd::load(a + i), simd::load(b + i), acc);
  if (i < n) {
    simd::Vec<Acc> x{}, y{};
    for (int lane = 0; i + lane < n; ++lane) x[lane] = a[i + lane], y[lane] = b[i + lane];
    acc = simd::fma(x, y, acc);
  }
  return simd::sum(acc);
}

/// The same sum in another legal order: what the noise of an order is measured with.
template <class Acc>
Acc dot(const Acc* a, const Acc* b, int64_t n, Reduction reduction) {
  if (reduction == Reduction::blocked || reduction == Reduction::eigen) return dot(a, b, n);
  const std::vector<int32_t>& order = summation_order(reduction, n);
  Acc total = 0;
  for (int64_t begin = 0; begin < n; begin += kOrderBlock) {
    const int64_t end = begin + kOrderBlock < n ? begin + kOrderBlock : n;
    Acc sum = 0, negative = 0;
    for (int64_t step = begin; step < end; ++step) {
      const int32_t i = order[static_cast<size_t>(step)];
      const Acc product = a[i] * b[i];
      (reduction == Reduction::signs_apart && product < 0 ? negative : sum) += product;
    }
    total += sum + negative;
  }
  return total;
}

/// e^x per lane as a reduction's run takes it.
template <class V>
V exp_in(Reduction reduction, V x) {
  return reduction == Reduction::signs_apart ? simd::fast_exp(x) : simd::exp(x);
}

/// True if a view has adjacent elements along its last axis.
inline bool last_axis_adjacent(const ConstTensorView& v) {
  return v.rank > 0 && (v.dim[v.rank - 1] <= 1 || v.stride[v.rank - 1] == 1);
}

}  // namespace glmv
