#pragma once

#include "reference/core/exec.h"
#include "reference/core/view.h"

namespace glmv {

/// add: out = a + b, the residual stream.
/// Shapes   a, b, out [T, H]
/// Types    f32 or bf16, all equal (f64 = gold)
/// Rounding output only
/// Layout   last axis adjacent; out may be a or b
/// Errors   Error on any mismatch above
/// Cost     T·H flops, reads 2·T·H, writes T·H
/// Source   the residual additions of Glm4vMoeTextDecoderLayer and Glm4vVisionBlock
struct AddArgs {
  ConstTensorView a, b;
  TensorView out;
};
void check(const AddArgs&);

namespace ref {
void add(const AddArgs&, Exec);
}
}  // namespace glmv
