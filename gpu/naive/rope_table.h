#include "reference/rope_table.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// One thread per angle. Cosine and sine are taken in double and rounded once: the true f32 values.
__global__ void rope_table_kernel(ConstTensorView positions, ConstTensorView inv_freq, ConstTensorView axis,
                                  TensorView cosine, TensorView sine) {
  const int64_t t = thread_number() / inv_freq.dim[0], j = thread_number() % inv_freq.dim[0];
  if (t >= positions.dim[1]) return;
  const float angle = static_cast<float>(int_at(positions, int_at(axis, j), t)) * get(inv_freq, j);
  set(cosine, static_cast<float>(cos(static_cast<double>(angle))), t, j);
  set(sine, static_cast<float>(sin(static_cast<double>(angle))), t, j);
}

}  // namespace

void rope_table(const RopeTableArgs& a, Exec exec) {
  check(a);
  GLMV_LAUNCH_EACH(rope_table_kernel, a.cos.size(), exec, a.positions, a.inv_freq, a.axis, a.cos, a.sin);
}

}  // namespace glmv::GLMV_BACKEND::naive
