#pragma once

#include "reference/core/exec.h"
#include "reference/core/rounding.h"
#include "reference/core/weight.h"

namespace glmv {

/// moe_experts: out[t] = sum over the K chosen experts e of weights[t, e] * down_e( silu(gate_e x[t]) * up_e x[t] ).
/// Shapes   x, out [T, H]   ids, weights [T, K]   gate, up [F, H], down [H, F] per expert, E of them
/// Types    x and out f32 or bf16, equal (f64 = gold); weights f32 (f64 in a gold run); ids i32; experts any Format
/// Rounding hf: gate, up, silu, product and each expert's output are rounded; the weighted sum stays in f32 and is
///          rounded once, as experts_implementation="grouped_mm" does · once: output only
/// Order    the sum runs over ascending expert index
/// Errors   Error on any mismatch above, an id outside [0, E) or an expert chosen twice for a token
/// Cost     6·T·K·H·F flops, reads the experts that were chosen
/// Source   Glm4vMoeTextNaiveMoe
struct MoeExpertsArgs {
  ConstTensorView x;
  ConstTensorView ids, weights;
  ExpertWeights experts;
  TensorView out;
  Rounding rounding = Rounding::hf;
};
void check(const MoeExpertsArgs&);

namespace ref {
void moe_experts(const MoeExpertsArgs&, Exec);
}
}  // namespace glmv
