#include "reference/silu_mul.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// One thread per element.
__global__ void silu_mul_kernel(ConstTensorView gate, ConstTensorView up, TensorView out, DType inner) {
  const int64_t t = thread_number() / out.dim[1], f = thread_number() % out.dim[1];
  if (t >= out.dim[0]) return;
  const float g = get(gate, t, f);
  set(out, round_to(inner, g * sigmoid(g)) * get(up, t, f), t, f);
}

}  // namespace

void silu_mul(const SiluMulArgs& a, Exec exec) {
  check(a);
  check_type("silu_mul", a.out.dtype);
  GLMV_LAUNCH_EACH(silu_mul_kernel, a.out.size(), exec, a.gate, a.up, a.out, inner_type(a.rounding, a.out.dtype));
}

}  // namespace glmv::GLMV_BACKEND::naive
