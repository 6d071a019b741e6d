#pragma once

#include "reference/core/exec.h"
#include "reference/core/weight.h"

namespace glmv {

/// embedding: out[t] = table[ids[t]], not scaled.
/// Shapes   ids [T]   table [V, H]   out [T, H]
/// Types    ids i32; table any float type; out f32, bf16 or f64
/// Errors   Error on any mismatch above or an id outside [0, V)
/// Cost     reads T rows
/// Source   Glm4vMoeTextModel.embed_tokens
struct EmbeddingArgs {
  ConstTensorView ids;
  Weight table;
  TensorView out;
};
void check(const EmbeddingArgs&);

namespace ref {
void embedding(const EmbeddingArgs&, Exec);
}
}  // namespace glmv
