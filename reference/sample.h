#pragma once

#include "reference/core/exec.h"
#include "reference/core/view.h"

namespace glmv {

/// sample: ids[t] = the index of the largest logit of row t; of equal logits the lowest index.
/// Shapes   logits [T, V]   ids [T]
/// Types    logits f32 or bf16 (f64 = gold); ids i32
/// Errors   Error on any mismatch above; a row that holds a NaN is an Error that names the row (a device cannot throw:
/// -1) Cost     reads T·V Source   greedy search; temperature and truncation come before it as changes of the logits
struct SampleArgs {
  ConstTensorView logits;
  TensorView ids;
};
void check(const SampleArgs&);

namespace ref {
void sample(const SampleArgs&, Exec);
}
}  // namespace glmv
