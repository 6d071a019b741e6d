// The inner product of everything dense on the CPU: a block of sums that lives in registers.
//
//   c[i, j] = sum_k a[i, k] * b[k, j],  k ascending, one fused multiply-add per step, starting from zero
//
// b is read along its rows, so one step multiplies whole vectors of columns by one element of a; a kernel that reads
// both operands along k would have to add up lanes at the end. Six rows by two vectors, or twelve by one, are twelve
// accumulators, which with three operands fill the sixteen registers of AVX2; AVX-512 has twice as many.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "reference/core/simd.h"

namespace glmv {

/// Columns of a register block: two vectors of the machine's widest.
template <class Acc>
constexpr int64_t kBlockCols = 2 * simd::WideLanes<Acc>::count;

/// What becomes of the sums: they replace c or are added to it.
enum class Into : unsigned char { set, add };

namespace detail {

/// Steps of k that are taken together: bf16 elements are read two at a time.
template <class A>
constexpr int kSteps = std::is_same_v<A, bf16> ? 2 : 1;

/// Rows of a register block, so that sums, columns of b and elements of a fit into the registers.
template <class V, int kVectors, class A>
constexpr int rows_of_block() {
  constexpr bool wide = sizeof(V) > 32;
  if (kVectors == 1 || wide) return 12;
  return kSteps<A> == 2 ? 5 : 6;
}

template <class V, class Acc>
inline void splats(const Acc* a, V (&x)[1]) {
  simd::splat(*a, x[0]);
}
template <class V>
inline void splats(const bf16* a, V (&x)[2]) {
  simd::splat_pair(a, x[0], x[1]);
}

/// Steps [begin, begin + count) of k, count = kSteps or, at the end of an odd k, 1.
template <int kRows, int kVectors, class V, class A, class Acc>
inline void multiply_add(const A* a, int64_t lda, const Acc* b, int64_t ldb, V (&sum)[kRows][kVectors]) {
  constexpr int kLanes = sizeof(V) / sizeof(Acc), kStep = kSteps<A>;
  V column[kStep][kVectors];
  for (int s = 0; s < kStep; ++s) {
    for (int v = 0; v < kVectors; ++v) {
      column[s][v] = simd::load_as<V>(b + s * ldb + v * kLanes);
      simd::keep_in_register(column[s][v]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
    V x[kStep];
    splats(a + r * lda, x);
    for (int s = 0; s < kStep; ++s) {
      for (int v = 0; v < kVectors; ++v) sum[r][v] = simd::fma(x[s], column[s][v], sum[r][v]);
    }
  }
}

/// The last step of an odd k for elements that are otherwise read in pairs.
template <int kRows, int kVectors, class V, class A, class Acc>
inline void multiply_add_last(const A* a, int64_t lda, const Acc* b, V (&sum)[kRows][kVectors]) {
  constexpr int kLanes = sizeof(V) / sizeof(Acc);
  for (int r = 0; r < kRows; ++r) {
    V x;
    simd::splat(static_cast<Acc>(a[r * lda]), x);
    for (int v = 0; v < kVectors; ++v) sum[r][v] = simd::fma(x, simd::load_as<V>(b + v * kLanes), sum[r][v]);
  }
}

template <class V, int kRows, int kVectors, class A, class Acc>
inline void register_block(const A* a, int64_t lda, const Acc* b, int64_t ldb, int64_t k, Acc* c, int64_t ldc,
                           Into into) {
  constexpr int kLanes = sizeof(V) / sizeof(Acc), kStep = kSteps<A>;
  V sum[kRows][kVectors] = {};
  int64_t i = 0;
#pragma GCC unroll 2
  for (; i + kStep <= k; i += kStep) multiply_add<kRows, kVectors>(a + i, lda, b + i * ldb, ldb, sum);
  if constexpr (kStep > 1) {
    if (i < k) multiply_add_last<kRows, kVectors>(a + i, lda, b + i * ldb, sum);
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      Acc* to = c + r * ldc + v * kLanes;
      simd::store(to, into == Into::add ? simd::load_as<V>(to) + sum[r][v] : sum[r][v]);
    }
  }
}

/// The rows that are left over, fewer than a block has.
template <class V, int kRows, int kVectors, class A, class Acc>
inline void last_rows(int64_t rows, const A* a, int64_t lda, const Acc* b, int64_t ldb, int64_t k, Acc* c, int64_t ldc,
                      Into into) {
  if (rows == kRows) {
    register_block<V, kRows, kVectors>(a, lda, b, ldb, k, c, ldc, into);
  } else if constexpr (kRows > 1) {
    last_rows<V, kRows - 1, kVectors>(rows, a, lda, b, ldb, k, c, ldc, into);
  }
}

/// All rows of as many columns as kVectors vectors have.
template <class V, int kVectors, class A, class Acc>
inline void columns_of(const A* a, int64_t lda, int64_t rows, const Acc* b, int64_t ldb, int64_t k, Acc* c, int64_t ldc,
                       Into into) {
  constexpr int kRows = rows_of_block<V, kVectors, A>();
  int64_t i = 0;
  for (; i + kRows <= rows; i += kRows)
    register_block<V, kRows, kVectors>(a + i * lda, lda, b, ldb, k, c + i * ldc, ldc, into);
  last_rows<V, kRows - 1, kVectors>(rows - i, a + i * lda, lda, b, ldb, k, c + i * ldc, ldc, into);
}

}  // namespace detail

/// The product of a [rows, k] and b [k, cols], leading dimensions in elements; a is of the sums' type or bf16. Every
/// element is summed up in the order above, whatever the number of rows and columns and the width of the vectors.
template <class A, class Acc>
void block_product(const A* a, int64_t lda, int64_t rows, const Acc* b, int64_t ldb, int64_t cols, int64_t k, Acc* c,
                   int64_t ldc, Into into) {
  using Wide = typename simd::WideLanes<Acc>::type;
  using Narrow = simd::Vec<Acc>;
  constexpr int64_t kNarrow = simd::Lanes<Acc>::count;
  int64_t j = 0;
  for (; j + kBlockCols<Acc> <= cols; j += kBlockCols<Acc>)
    detail::columns_of<Wide, 2>(a, lda, rows, b + j, ldb, k, c + j, ldc, into);
  for (; j + 2 * kNarrow <= cols; j += 2 * kNarrow)
    detail::columns_of<Narrow, 2>(a, lda, rows, b + j, ldb, k, c + j, ldc, into);
  for (; j + kNarrow <= cols; j += kNarrow)
    detail::columns_of<Narrow, 1>(a, lda, rows, b + j, ldb, k, c + j, ldc, into);
  for (; j < cols; ++j) {
    for (int64_t i = 0; i < rows; ++i) {
      Acc sum = 0;
      for (int64_t step = 0; step < k; ++step)
        sum = std::fma(static_cast<Acc>(a[i * lda + step]), b[step * ldb + j], sum);
      c[i * ldc + j] = into == Into::add ? c[i * ldc + j] + sum : sum;
    }
  }
}

/// to[j, i] = from[i, j] for from [rows, cols]; leading dimensions in elements.
template <class Acc>
void transpose(const Acc* from, int64_t ld_from, int64_t rows, int64_t cols, Acc* to, int64_t ld_to) {
  constexpr int kLanes = simd::Lanes<Acc>::count;
  const int64_t whole_rows = rows / kLanes * kLanes, whole_cols = cols / kLanes * kLanes;
  for (int64_t i = 0; i < whole_rows; i += kLanes) {
    for (int64_t j = 0; j < whole_cols; j += kLanes) {
      simd::Vec<Acc> square[kLanes];
      for (int r = 0; r < kLanes; ++r) square[r] = simd::load(from + (i + r) * ld_from + j);
      simd::transpose(square);
      for (int r = 0; r < kLanes; ++r) simd::store(to + (j + r) * ld_to + i, square[r]);
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = i < whole_rows ? whole_cols : 0; j < cols; ++j) to[j * ld_to + i] = from[i * ld_from + j];
  }
}

}  // namespace glmv
