#pragma once

#include "reference/core/exec.h"
#include "reference/core/view.h"

namespace glmv {

/// splice: x[rows[i]] = features[i]: visual rows overwrite the embeddings of their placeholder tokens.
/// Shapes   rows [N]   features [N, H]   x [T, H]
/// Types    rows i32; features and x any float types; the value takes x's type
/// Errors   Error on any mismatch above or a row outside [0, T)
/// Cost     reads and writes N rows
/// Source   Glm4vMoeModel.forward (masked_scatter)
struct SpliceArgs {
  ConstTensorView rows;
  ConstTensorView features;
  TensorView x;
};
void check(const SpliceArgs&);

namespace ref {
void splice(const SpliceArgs&, Exec);
}
}  // namespace glmv
