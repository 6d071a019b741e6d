// The inner product of everything dense on the CPU: a block of sums that lives in registers.
//
//   c[i, j] = sum_k a[i, k] * b[k, j],  k ascending, one fused multiply-add per step, starting from zero
//
// b is read along its rows, so one step multiplies whole vectors of columns by one element of a; a kernel that reads
// both operands along k would have to add up lanes at the end. Six rows by two vectors are twelve accumulators, which
// with three operands fill the sixteen registers of AVX2.
#pragma once

#include <cmath>
#include <cstdint>

#include "reference/core/simd.h"

namespace glmv {

constexpr int kBlockRows = 6;  // rows of a register block

/// Columns of a register block: two vectors.
template <class Acc>
constexpr int64_t kBlockCols = 2 * simd::Lanes<Acc>::count;

/// What becomes of the sums: they replace c or are added to it.
enum class Into : unsigned char { set, add };

namespace detail {

template <int kRows, class Acc>
inline void register_block(const Acc* a, int64_t lda, const Acc* b, int64_t ldb, int64_t k, Acc* c, int64_t ldc,
                           Into into) {
  constexpr int kLanes = simd::Lanes<Acc>::count;
  simd::Vec<Acc> sum[kRows][2] = {};
#pragma GCC unroll 2
  for (int64_t i = 0; i < k; ++i) {
    simd::Vec<Acc> left = simd::load(b + i * ldb), right = simd::load(b + i * ldb + kLanes);
    simd::keep_in_register(left), simd::keep_in_register(right);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const simd::Vec<Acc> x = simd::splat(a[r * lda + i]);
      sum[r][0] = simd::fma(x, left, sum[r][0]);
      sum[r][1] = simd::fma(x, right, sum[r][1]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int half = 0; half < 2; ++half) {
      Acc* to = c + r * ldc + half * kLanes;
      simd::store(to, into == Into::add ? simd::load(to) + sum[r][half] : sum[r][half]);
    }
  }
}

/// The rows that are left over, fewer than a block has.
template <int kRows, class Acc>
inline void last_rows(int64_t rows, const Acc* a, int64_t lda, const Acc* b, int64_t ldb, int64_t k, Acc* c,
                      int64_t ldc, Into into) {
  if (rows == kRows) {
    register_block<kRows>(a, lda, b, ldb, k, c, ldc, into);
  } else if constexpr (kRows > 1) {
    last_rows<kRows - 1>(rows, a, lda, b, ldb, k, c, ldc, into);
  }
}

}  // namespace detail

/// The product of a [rows, k] and b [k, cols], leading dimensions in elements. Every element is summed up in the order
/// above, whatever the number of rows and columns.
template <class Acc>
void block_product(const Acc* a, int64_t lda, int64_t rows, const Acc* b, int64_t ldb, int64_t cols, int64_t k, Acc* c,
                   int64_t ldc, Into into) {
  int64_t j = 0;
  for (; j + kBlockCols<Acc> <= cols; j += kBlockCols<Acc>) {
    int64_t i = 0;
    for (; i + kBlockRows <= rows; i += kBlockRows) {
      detail::register_block<kBlockRows>(a + i * lda, lda, b + j, ldb, k, c + i * ldc + j, ldc, into);
    }
    detail::last_rows<kBlockRows - 1>(rows - i, a + i * lda, lda, b + j, ldb, k, c + i * ldc + j, ldc, into);
  }
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
