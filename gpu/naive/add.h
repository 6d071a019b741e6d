#include "reference/add.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// One thread per element.
__global__ void add_kernel(ConstTensorView a, ConstTensorView b, TensorView out) {
  const int64_t t = thread_number() / out.dim[1], h = thread_number() % out.dim[1];
  if (t >= out.dim[0]) return;
  set(out, get(a, t, h) + get(b, t, h), t, h);
}

}  // namespace

void add(const AddArgs& a, Exec exec) {
  check(a);
  check_type("add", a.out.dtype);
  GLMV_LAUNCH_EACH(add_kernel, a.out.size(), exec, a.a, a.b, a.out);
}

}  // namespace glmv::GLMV_BACKEND::naive
