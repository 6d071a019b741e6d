#pragma once

#include "reference/core/exec.h"
#include "reference/core/rounding.h"
#include "reference/core/view.h"

namespace glmv {

/// silu_mul: out = silu(gate) * up with silu(x) = x / (1 + exp(-x)).
/// Shapes   gate, up, out [T, F]
/// Types    f32 or bf16, all equal (f64 = gold)
/// Rounding hf: silu(gate) is rounded before the product · once: output only
/// Layout   last axis adjacent, rows may be strided (the halves of a fused gate_up); out may be gate or up
/// Errors   Error on any mismatch above
/// Cost     T·F exponentials, reads 2·T·F, writes T·F
/// Source   Glm4vMoeTextMLP, Glm4vVisionMlp: down(act(gate(x)) * up(x))
struct SiluMulArgs {
  ConstTensorView gate, up;
  TensorView out;
  Rounding rounding = Rounding::hf;
};
void check(const SiluMulArgs&);

namespace ref {
void silu_mul(const SiluMulArgs&, Exec);
}
}  // namespace glmv
