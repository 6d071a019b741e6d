#include "reference/layernorm.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// One thread per row. One long sum in f32 would be off by more than a sum in pieces, hence the doubles.
__global__ void layernorm_kernel(ConstTensorView x, ConstTensorView weight, ConstTensorView bias, float eps,
                                 TensorView out) {
  const int64_t t = thread_number(), width = x.dim[1];
  if (t >= x.dim[0]) return;
  double sum = 0, squares = 0;
  for (int64_t h = 0; h < width; ++h) sum += get(x, t, h);
  const float mean = static_cast<float>(sum / static_cast<double>(width));
  for (int64_t h = 0; h < width; ++h) squares += (get(x, t, h) - mean) * (get(x, t, h) - mean);
  const float scale = 1.0f / sqrtf(static_cast<float>(squares / static_cast<double>(width)) + eps);
  for (int64_t h = 0; h < width; ++h) set(out, (get(x, t, h) - mean) * scale * get(weight, h) + get(bias, h), t, h);
}

}  // namespace

void layernorm(const LayerNormArgs& a, Exec exec) {
  check(a);
  check_type("layernorm", a.out.dtype);
  GLMV_LAUNCH_EACH(layernorm_kernel, a.x.dim[0], exec, a.x, a.weight, a.bias, a.eps, a.out);
}

}  // namespace glmv::GLMV_BACKEND::naive
