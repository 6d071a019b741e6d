#include "reference/linear.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

constexpr int64_t kBlock = 256;

/// One thread per output. Products are added up block by block: one running sum of ten thousand would lose bits that no
/// matrix library loses.
__global__ void linear_kernel(ConstTensorView x, Weight w, ConstTensorView bias, TensorView out) {
  const int64_t t = thread_number() / out.dim[1], n = thread_number() % out.dim[1];
  if (t >= out.dim[0]) return;
  float sum = 0;
  for (int64_t begin = 0; begin < x.dim[1]; begin += kBlock) {
    const int64_t end = begin + kBlock < x.dim[1] ? begin + kBlock : x.dim[1];
    float part = 0;
    for (int64_t k = begin; k < end; ++k) part = fmaf(get(x, t, k), weight_at(w, n, k), part);
    sum += part;
  }
  if (bias.data != nullptr) sum += get(bias, n);
  set(out, sum, t, n);
}

}  // namespace

void linear(const LinearArgs& a, Exec exec) {
  check(a);
  check_type("linear", a.out.dtype);
  GLMV_LAUNCH_EACH(linear_kernel, a.out.size(), exec, a.x, a.w, a.bias, a.out);
}

}  // namespace glmv::GLMV_BACKEND::naive
