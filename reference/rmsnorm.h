#pragma once

#include "reference/core/exec.h"
#include "reference/core/rounding.h"
#include "reference/core/view.h"

namespace glmv {

/// rmsnorm: out[t] = weight * (x[t] / sqrt(mean(x[t]^2) + eps)).
/// Shapes   x, out [T, H]   weight [H]
/// Types    x and out f32 or bf16, equal (f64 = gold); weight any float type; sums in f32
/// Rounding hf: the normalised value is rounded before it is multiplied by the weight · once: output only
/// Layout   last axis adjacent; out may be x
/// Errors   Error on any mismatch above
/// Cost     4·T·H flops, reads and writes T·H
/// Source   Glm4vMoeRMSNorm
struct RmsNormArgs {
  ConstTensorView x;
  ConstTensorView weight;
  float eps = 0;
  TensorView out;
  Rounding rounding = Rounding::hf;
};
void check(const RmsNormArgs&);

namespace ref {
void rmsnorm(const RmsNormArgs&, Exec);
}
}  // namespace glmv
