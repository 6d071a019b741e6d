#pragma once

#include "reference/core/exec.h"
#include "reference/core/view.h"

namespace glmv {

/// layernorm: out[t] = weight * (x[t] - mean) / sqrt(variance + eps) + bias, variance over H, not H - 1.
/// Shapes   x, out [T, H]   weight, bias [H]
/// Types    x and out f32 or bf16, equal (f64 = gold); weight and bias any float type; sums in f32
/// Rounding output only
/// Layout   last axis adjacent; out may be x
/// Errors   Error on any mismatch above
/// Cost     7·T·H flops, reads and writes T·H
/// Source   torch.nn.LayerNorm in Glm4vVisionPatchMerger
struct LayerNormArgs {
  ConstTensorView x;
  ConstTensorView weight, bias;
  float eps = 0;
  TensorView out;
};
void check(const LayerNormArgs&);

namespace ref {
void layernorm(const LayerNormArgs&, Exec);
}
}  // namespace glmv
