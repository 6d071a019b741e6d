#include "reference/splice.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// One thread per element of the features. A row outside x is not written: a kernel cannot throw.
__global__ void splice_kernel(ConstTensorView rows, ConstTensorView features, TensorView x) {
  const int64_t i = thread_number() / x.dim[1], h = thread_number() % x.dim[1];
  if (i >= features.dim[0]) return;
  const int32_t row = int_at(rows, i);
  if (row >= 0 && row < x.dim[0]) set(x, get(features, i, h), row, h);
}

}  // namespace

void splice(const SpliceArgs& a, Exec exec) {
  check(a);
  check_type("splice", a.x.dtype);
  GLMV_LAUNCH_EACH(splice_kernel, a.features.size(), exec, a.rows, a.features, a.x);
}

}  // namespace glmv::GLMV_BACKEND::naive
