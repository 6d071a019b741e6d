// The inner product of everything dense on the CPU: a block of sums that lives in registers.
//
//   c[i, j] = sum_k a[i, k] * b[k, j],  k ascending, one fused multiply-add per step, starting from zero
//
// b is read along its rows, so one step multiplies whole vectors of columns by one element of a; a kernel that reads
// both operands along k would have to add up lanes at the end. Six rows by two vectors are twelve accumulators, which
// with three operands fill the sixteen registers of AVX2; AVX-512 has twice as many.
#pragma once

#include <cmath>
#include <cstdint>

#include "reference/core/simd.h"

namespace glmv {

/// Rows of a register block.
template <class Acc>
constexpr int kBlockRows = simd::WideLanes<Acc>::count > simd::Lanes<Acc>::count ? 12 : 6;

/// Columns of a register block: two vectors of the machine's widest.
template <class Acc>
constexpr int64_t kBlockCols = 2 * simd::WideLanes<Acc>::count;

/// What becomes of the sums: they replace c or are added to it.
enum class Into : unsigned char { set, add };

namespace detail {

template <class V, int kRows, class Acc>
inline void register_block(const Acc* a, int64_t lda, const Acc* b, int64_t ldb, int64_t k, Acc* c, int64_t ldc,
                           Into into) {
  constexpr int kLanes = sizeof(V) / sizeof(Acc);
  V sum[kRows][2] = {};
#pragma GCC unroll 2
  for (int64_t i = 0; i < k; ++i) {
    V left = simd::load_as<V>(b + i * ldb), right = simd::load_as<V>(b + i * ldb + kLanes);
    simd::keep_in_register(left), simd::keep_in_register(right);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      V x;
      simd::splat(a[r * lda + i], x);
      sum[r][0] = simd::fma(x, left, sum[r][0]);
      sum[r][1] = simd::fma(x, right, sum[r][1]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int half = 0; half < 2; ++half) {
      Acc* to = c + r * ldc + half * kLanes;
      simd::store(to, into == Into::add ? simd::load_as<V>(to) + sum[r][half] : sum[r][half]);
    }
  }
}

/// The rows that are left over, fewer than a block has.
template <class V, int kRows, class Acc>
inline void last_rows(int64_t rows, const Acc* a, int64_t lda, const Acc* b, int64_t ldb, int64_t k, Acc* c,
                      int64_t ldc, Into into) {
  if (rows == kRows) {
    register_block<V, kRows>(a, lda, b, ldb, k, c, ldc, into);
  } else if constexpr (kRows > 1) {
    last_rows<V, kRows - 1>(rows, a, lda, b, ldb, k, c, ldc, into);
  }
}

/// All rows of as many columns as two vectors have.
template <class V, class Acc>
inline void columns_of_two(const Acc* a, int64_t lda, int64_t rows, const Acc* b, int64_t ldb, int64_t k, Acc* c,
                           int64_t ldc, Into into) {
  constexpr int kRows = kBlockRows<Acc>;
  int64_t i = 0;
  for (; i + kRows <= rows; i += kRows) register_block<V, kRows>(a + i * lda, lda, b, ldb, k, c + i * ldc, ldc, into);
  last_rows<V, kRows - 1>(rows - i, a + i * lda, lda, b, ldb, k, c + i * ldc, ldc, into);
}

}  // namespace detail

/// The product of a [rows, k] and b [k, cols], leading dimensions in elements. Every element is summed up in the order
/// above, whatever the number of rows and columns and the width of the vectors.
template <class Acc>
void block_product(const Acc* a, int64_t lda, int64_t rows, const Acc* b, int64_t ldb, int64_t cols, int64_t k, Acc* c,
                   int64_t ldc, Into into) {
  constexpr int64_t kNarrow = 2 * simd::Lanes<Acc>::count;
  using Wide = typename simd::WideLanes<Acc>::type;
  int64_t j = 0;
  for (; j + kBlockCols<Acc> <= cols; j += kBlockCols<Acc>)
    detail::columns_of_two<Wide>(a, lda, rows, b + j, ldb, k, c + j, ldc, into);
  for (; j + kNarrow <= cols; j += kNarrow)
    detail::columns_of_two<simd::Vec<Acc>>(a, lda, rows, b + j, ldb, k, c + j, ldc, into);
  for (; j < cols; ++j) {
    for (int64_t i = 0; i < rows; ++i) {
      Acc sum = 0;
      for (int64_t step = 0; step < k; ++step) sum = std::fma(a[i * lda + step], b[step * ldb + j], sum);
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
