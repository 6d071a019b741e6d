#pragma once

#include "reference/core/exec.h"
#include "reference/core/weight.h"

namespace glmv {

/// linear: out[t, n] = sum_k x[t, k] * w[n, k] (+ bias[n]).
/// Shapes   x [T, K]   w [N, K]   bias [N] or none   out [T, N]
/// Types    x and out f32 or bf16 (f64 = gold); w any Format, bias any float type; sums in f32
/// Rounding output only, after the bias
/// Layout   last axis adjacent, rows may be strided; out must not overlap x
/// Errors   Error on any mismatch above
/// Cost     2·T·N·K flops, reads w once
/// Source   torch.nn.Linear; a patch embedding is a linear on flattened patches, a 2x2 convolution one on 4 rows
struct LinearArgs {
  ConstTensorView x;
  Weight w;
  ConstTensorView bias;
  TensorView out;
};
void check(const LinearArgs&);

namespace ref {
void linear(const LinearArgs&, Exec);
}
}  // namespace glmv
