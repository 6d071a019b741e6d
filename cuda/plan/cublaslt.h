// linear as a matrix product of cuBLASLt: what is asked of the library. It counts by columns, so everything is
// transposed: a row-major out [T, N] is its D, N rows by T columns with the row stride of out as leading dimension, and
//
//   D [N, T] = op(A) [N, K] B [K, T]     A = w, K rows by N columns, transposed;  B = x, K rows by T columns
//
// The bias has one value for each row of D, which is the library's bias epilogue, added before the one rounding.
#pragma once

#include <cstdint>

#include "reference/linear.h"

namespace glmv::cuda_plan {

struct ColumnMajor {
  int64_t rows, columns, leading;
  bool operator==(const ColumnMajor&) const = default;
};

struct CublasLtCall {
  const char* rule = "";  ///< why the tuned kernels take the call instead; null: the library does
  ColumnMajor w, x, out;
  DType out_type = DType::bf16;
  bool bias = false;
  int out_alignment = 16, bias_alignment = 16;  ///< bytes, at most 16, that the addresses are multiples of

  /// One algorithm serves all calls that are equal.
  bool operator==(const CublasLtCall&) const = default;
};

CublasLtCall plan_cublaslt(const LinearArgs& a);

/// The library wants its workspace to begin at a multiple of this.
constexpr size_t kWorkspaceAlignment = 256;
/// Most that an algorithm may ask for.
constexpr size_t kMostWorkspace = size_t{32} << 20;

}  // namespace glmv::cuda_plan
