// Fused ops: optional table entries. Each one's reference is the composition of plain ops.
#pragma once

#include "reference/core/exec.h"
#include "reference/core/rounding.h"
#include "reference/core/view.h"

namespace glmv {

/// fused_add_rmsnorm: residual += delta; out = rmsnorm(residual) * weight. The residual is rounded before the norm.
/// Shapes   residual, delta, out [T, H]   weight [H]
/// Types    residual, delta, out f32 or bf16, all equal (f64 = gold); weight any float type
/// Rounding as add followed by rmsnorm
/// Layout   last axis adjacent; out must not overlap residual
/// Errors   as add and rmsnorm
/// Cost     5·T·H flops, reads 2·T·H, writes 2·T·H
/// Source   reference/add.h, reference/rmsnorm.h
struct FusedAddRmsNormArgs {
  TensorView residual;
  ConstTensorView delta;
  ConstTensorView weight;
  float eps = 0;
  TensorView out;
  Rounding rounding = Rounding::hf;
};
void check(const FusedAddRmsNormArgs&);

namespace ref {
void fused_add_rmsnorm(const FusedAddRmsNormArgs&, Exec);
}
}  // namespace glmv
