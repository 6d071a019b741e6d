#include "reference/embedding.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// One thread per element. An id outside the table gives NaN: a kernel cannot throw.
__global__ void embedding_kernel(ConstTensorView ids, Weight table, TensorView out) {
  const int64_t t = thread_number() / out.dim[1], h = thread_number() % out.dim[1];
  if (t >= out.dim[0]) return;
  const int32_t id = int_at(ids, t);
  const bool known = id >= 0 && id < table.data.dim[0];
  set(out, known ? weight_at(table, id, h) : __int_as_float(0x7fffffff), t, h);
}

}  // namespace

void embedding(const EmbeddingArgs& a, Exec exec) {
  check(a);
  check_type("embedding", a.out.dtype);
  GLMV_LAUNCH_EACH(embedding_kernel, a.out.size(), exec, a.ids, a.table, a.out);
}

}  // namespace glmv::GLMV_BACKEND::naive
