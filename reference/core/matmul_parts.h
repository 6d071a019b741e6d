// What the regimes of the matrix product share. For matmul*.cc only.
#pragma once

#include <vector>

#include "reference/core/matmul.h"
#include "reference/core/parallel.h"
#include "reference/core/rows.h"

namespace glmv::matmul_parts {

constexpr int64_t kBlock = 256;  // k's per block of the sum: sixteen columns of them in float are half of a 32 KiB L1

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// True if a weight's rows can be read where they lie, as numbers of type T.
template <class T>
bool in_place(const Weight& w) {
  return w.format == Format::plain && w.data.dtype == DTypeOf<T>::value;
}

template <class T>
const T* element_of(const Weight& w, int64_t row, int64_t col) {
  return static_cast<const T*>(row_of(w.data, row)) + col;
}

inline void* element(const TensorView& v, int64_t row, int64_t col) {
  return static_cast<char*>(row_of(v, row)) + col * static_cast<int64_t>(size_of(v.dtype));
}

/// x as rows of the accumulator's type: in place if it is of that type, else a widened copy.
template <class Acc>
struct Rows {
  explicit Rows(const ConstTensorView& x) : count(x.dim[0]) {
    if (x.dtype == DTypeOf<Acc>::value) {
      data = static_cast<const Acc*>(x.data);
      stride = x.stride[0];
      return;
    }
    thread_local std::vector<Acc> wide;  // kept from call to call: fresh memory would be zeroed and paged in each time
    const auto size = static_cast<size_t>(count * x.dim[1]);
    if (wide.size() < size) wide.resize(size);
    Acc* to = wide.data();
    parallel_for(count, x.dim[1], [&](int64_t t) { load_row(row_of(x, t), x.dtype, x.dim[1], to + t * x.dim[1]); });
    data = to;
    stride = x.dim[1];
  }

  const Acc* data;
  int64_t stride, count;
};

/// Rounds one row of totals to the output, bias added in the accumulator's type.
template <class Acc>
void finish(Acc* totals, int64_t n, const Acc* bias, DType t, void* to) {
  if (bias != nullptr) {
    for (int64_t j = 0; j < n; ++j) totals[j] += bias[j];
  }
  store_row(totals, n, t, to);
}

/// One row of x: the weights are streamed once.
template <class Acc>
void one_row(const ConstTensorView& x, const Weight& w, const Acc* bias, const TensorView& out);

/// Several rows of x.
template <class Acc>
void many_rows(const ConstTensorView& x, const Weight& w, const Acc* bias, const TensorView& out);

/// Many rows of x by OpenBLAS, with GLMV_BLAS=ON.
void blas(const ConstTensorView& x, const Weight& w, const float* bias, const TensorView& out);

}  // namespace glmv::matmul_parts
