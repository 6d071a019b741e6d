#include "reference/sample.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// One thread per row. A row that holds a NaN or +infinity gets -1.
__global__ void sample_kernel(ConstTensorView logits, TensorView ids) {
  const int64_t t = thread_number();
  if (t >= logits.dim[0]) return;
  int32_t best = 0;
  bool numbers = true;
  for (int64_t v = 0; v < logits.dim[1]; ++v) {
    const float x = get(logits, t, v);
    numbers = numbers && x < INFINITY;  // NaN is not less either
    if (x > get(logits, t, best)) best = static_cast<int32_t>(v);
  }
  int_at(ids, t) = numbers ? best : -1;
}

}  // namespace

void sample(const SampleArgs& a, Exec exec) {
  check(a);
  check_type("sample", a.logits.dtype);
  GLMV_LAUNCH_EACH(sample_kernel, a.logits.dim[0], exec, a.logits, a.ids);
}

}  // namespace glmv::GLMV_BACKEND::naive
