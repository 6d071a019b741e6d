#include "reference/rmsnorm.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// One thread per row. One long sum in f32 would be off by more than a sum in pieces, hence the double.
__global__ void rmsnorm_kernel(ConstTensorView x, ConstTensorView weight, float eps, TensorView out, DType inner) {
  const int64_t t = thread_number(), width = x.dim[1];
  if (t >= x.dim[0]) return;
  double squares = 0;
  for (int64_t h = 0; h < width; ++h) squares += get(x, t, h) * get(x, t, h);
  const float scale = 1.0f / sqrtf(static_cast<float>(squares / static_cast<double>(width)) + eps);
  for (int64_t h = 0; h < width; ++h) set(out, get(weight, h) * round_to(inner, get(x, t, h) * scale), t, h);
}

}  // namespace

void rmsnorm(const RmsNormArgs& a, Exec exec) {
  check(a);
  check_type("rmsnorm", a.out.dtype);
  GLMV_LAUNCH_EACH(rmsnorm_kernel, a.x.dim[0], exec, a.x, a.weight, a.eps, a.out, inner_type(a.rounding, a.out.dtype));
}

}  // namespace glmv::GLMV_BACKEND::naive
