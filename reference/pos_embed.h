#pragma once

#include "reference/core/exec.h"
#include "reference/core/view.h"

namespace glmv {

/// pos_embed: out[p] = x[p] + sum_j wy[p,j] * sum_i wx[p,i] * table[iy[p,j] * side + ix[p,i]]
/// Shapes   table [side*side, D]   index_y, index_x, weight_y, weight_x [P, 4]   x, out [P, D]
/// Types    x, out f32 or bf16 (f64 = gold); table any float type; weights f32; indices i32; sums in f32
/// Rounding bf16 run: the sample is rounded to the table's type, then added, then rounded
/// Layout   last axis adjacent; out may be x
/// Errors   Error on any mismatch above; indices are the caller's promise (pos_embed_taps clamps them)
/// Cost     40·P·D flops; reads 16 table rows per patch
/// Source   Glm4vVisionEmbeddings
struct PosEmbedArgs {
  ConstTensorView x;
  ConstTensorView table;
  int64_t side = 0;
  ConstTensorView index_y, index_x;
  ConstTensorView weight_y, weight_x;
  TensorView out;
};
void check(const PosEmbedArgs&);

namespace ref {
void pos_embed(const PosEmbedArgs&, Exec);
}
}  // namespace glmv
