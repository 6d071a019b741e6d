#pragma once

#include "reference/core/exec.h"
#include "reference/core/rounding.h"
#include "reference/core/view.h"

namespace glmv {

/// mrope: turns pair j of every head by the angle of table column j: (a, b) -> (a cos - b sin, b cos + a sin).
///   half_split (GLM-4.5V, vision): pair j = dimensions (j, j + J)      of the first 2J
///   even_odd   (GLM-4.1V):         pair j = dimensions (2j, 2j + 1)    of the first 2J
///   dimensions 2J .. D-1 pass through. Which position axis a column follows is settled in rope_table.
/// Shapes   x, out [T, heads, D]   cos, sin [T, J], 2J <= D
/// Types    x and out f32 or bf16, equal (f64 = gold); cos, sin f32 or bf16
/// Rounding hf: each product and the sum are rounded (text decoder) · once: output only (vision tower, in f32)
/// Layout   last axis adjacent; out may be x
/// Errors   Error on any mismatch above
/// Cost     6·T·heads·J flops, reads and writes T·heads·2J
/// Source   apply_rotary_pos_emb of glm4v_moe and of glm4v, apply_rotary_pos_emb_vision
struct MropeArgs {
  ConstTensorView x;
  ConstTensorView cos, sin;
  Pairing pairing = Pairing::half_split;
  Rounding rounding = Rounding::hf;
  TensorView out;
};
void check(const MropeArgs&);

namespace ref {
void mrope(const MropeArgs&, Exec);
}
}  // namespace glmv
