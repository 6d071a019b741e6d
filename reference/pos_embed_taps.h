#pragma once

#include "reference/core/exec.h"
#include "reference/core/view.h"

namespace glmv {

/// pos_embed_taps: where each patch samples the learned position table, and with which bicubic weights.
///   ix = ((((x + 0.5) / w) * 2 - 1 + 1) * side - 1) / 2, tap i reads column clamp(floor(ix) - 1 + i, 0, side - 1);
///   weights are the cubic kernel with A = -0.75 at the fraction of ix. The same for y and h.
/// Shapes   positions [2, P] (y, x) in patches   extents [2, P] (h, w of the patch's picture)
///          index_y, index_x [P, 4]   weight_y, weight_x [P, 4]
/// Types    i32 positions, extents, indices; f32 weights in every mode: the model defines them in f32
/// Errors   Error unless 0 <= position < extent and side >= 1
/// Cost     about 60·P flops
/// Source   torch grid_sample(bicubic, padding border, align_corners false) as Glm4v's vision embeddings call it
struct PosEmbedTapsArgs {
  ConstTensorView positions;
  ConstTensorView extents;
  int64_t side = 0;
  TensorView index_y, index_x;
  TensorView weight_y, weight_x;
};
void check(const PosEmbedTapsArgs&);

namespace ref {
void pos_embed_taps(const PosEmbedTapsArgs&, Exec);
}
}  // namespace glmv
