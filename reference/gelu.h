#pragma once

#include "reference/core/exec.h"
#include "reference/core/view.h"

namespace glmv {

/// gelu: out = x * (1 + erf(x / sqrt(2))) / 2, the exact form and not the tanh approximation.
/// Shapes   x, out [T, H]
/// Types    f32 or bf16, equal (f64 = gold)
/// Rounding output only
/// Layout   last axis adjacent; out may be x
/// Errors   Error on any mismatch above
/// Cost     T·H error functions
/// Source   torch.nn.GELU() in Glm4vVisionPatchMerger
struct GeluArgs {
  ConstTensorView x;
  TensorView out;
};
void check(const GeluArgs&);

namespace ref {
void gelu(const GeluArgs&, Exec);
}
}  // namespace glmv
