#include "reference/gelu.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// One thread per element.
__global__ void gelu_kernel(ConstTensorView x, TensorView out) {
  const int64_t t = thread_number() / out.dim[1], h = thread_number() % out.dim[1];
  if (t >= out.dim[0]) return;
  const float v = get(x, t, h);
  set(out, v * 0.5f * (1.0f + erff(v * 0.70710678118654752440f)), t, h);
}

}  // namespace

void gelu(const GeluArgs& a, Exec exec) {
  check(a);
  check_type("gelu", a.out.dtype);
  GLMV_LAUNCH_EACH(gelu_kernel, a.out.size(), exec, a.x, a.out);
}

}  // namespace glmv::GLMV_BACKEND::naive
