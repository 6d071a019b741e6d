#pragma once

#include "reference/core/exec.h"
#include "reference/core/view.h"

namespace glmv {

/// rope_table: cos and sin of phi[t, j] = positions[axis[j], t] * inv_freq[j].
/// Shapes   positions [A, T]   inv_freq, axis [J]   cos, sin [T, J]
///          text: A = 3 (T, H, W) and J = R/2; vision: A = 2 (y, x) and J = head_dim/2, first half y
/// Types    i32 positions and axis; inv_freq f32; cos, sin f32 (also in a gold run: the model defines them in f32,
///          and at position 60,000 an f32 angle is 1e-3 rad off, which is the model and not an error) or bf16
/// Rounding the product in f32, cos and sin of that angle correctly rounded to f32, then to the output type
/// Errors   Error on any mismatch above or an axis outside [0, A)
/// Cost     T·J sines and cosines
/// Source   Glm4vMoeTextRotaryEmbedding, Glm4vVisionRotaryEmbedding
struct RopeTableArgs {
  ConstTensorView positions;
  ConstTensorView inv_freq;
  ConstTensorView axis;
  TensorView cos, sin;
};
void check(const RopeTableArgs&);

namespace ref {
void rope_table(const RopeTableArgs&, Exec);
}
}  // namespace glmv
