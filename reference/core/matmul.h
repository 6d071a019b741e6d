// The matrix product of the reference, and the only place where the CPU is made fast.
//
//   out[t, n] = sum_k x[t, k] * w[n, k]  (+ bias[n])
//
// One order of summation for every shape: k is cut into blocks of kBlock; a block is one chain of fused multiply-adds,
// k ascending; blocks are added one after the other. A row of the result therefore has the same bits whether it is
// computed alone or among a thousand, on one thread or on many: chunked prefill equals whole prefill, decode equals
// prefill.
//
// Three regimes: one row streams the weights once, transposing squares of them in registers (matmul_one_row.cc); for
// more rows x is transposed and the weights stay as they lie (matmul_many_rows.cc); with GLMV_BLAS=ON products of 64
// rows and more go to OpenBLAS, whose order of summation is its own (matmul_blas.cc).
#pragma once

#include "reference/core/exec.h"
#include "reference/core/weight.h"

namespace glmv {

/// x [T, K] and out [T, N] in any float types with adjacent elements in the last axis; f64 out sums in double,
/// everything else in float. bias [N] or empty. Shapes are checked; w may be any Format. out must not overlap x.
void matmul(const ConstTensorView& x, const Weight& w, const ConstTensorView& bias, const TensorView& out,
            Reduction reduction = Reduction::blocked);

/// Rows from which a product with f32 sums goes to OpenBLAS: 64 with GLMV_BLAS=ON, else more than any product has.
/// Below it the bits of a row do not depend on the rows beside it.
int64_t blas_rows();

/// The plain Eigen product of the widened operands: the test of matmul, and a second legal order of summation.
void matmul_eigen(const ConstTensorView& x, const Weight& w, const ConstTensorView& bias, const TensorView& out);

/// sequential, reversed: one accumulator per element that starts at the bias. signs_apart: one for the positive
/// products and one for the negative ones, the least careful legal order there is.
void matmul_in_order(const ConstTensorView& x, const Weight& w, const ConstTensorView& bias, const TensorView& out,
                     Reduction reduction);

/// Widens elements [begin, begin + n) of weight row `row`, scale applied.
template <class Acc>
void widen_weight(const Weight& w, int64_t row, int64_t begin, int64_t n, Acc* to);

}  // namespace glmv
