#pragma once

#include "reference/core/exec.h"
#include "reference/core/view.h"

namespace glmv {

/// sample: ids[t] = the index of the largest logit of row t; of equal logits the lowest index.
/// Shapes   logits [T, V]   ids [T]
/// Types    logits f32 or bf16 (f64 = gold); ids i32
/// Errors   Error on any mismatch above; a row that holds a NaN or +infinity, which is no distribution, gets -1
///          (minus infinity is a token that has been ruled out)
/// Cost     reads T·V
/// Source   greedy search; temperature and truncation come before it as changes of the logits
struct SampleArgs {
  ConstTensorView logits;
  TensorView ids;
};
void check(const SampleArgs&);

namespace ref {
void sample(const SampleArgs&, Exec);
}
}  // namespace glmv
