#include "reference/kv_write.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// One thread per element of k and its neighbour in v. A slot outside the pages is not written: a kernel cannot throw.
__global__ void kv_write_kernel(ConstTensorView k, ConstTensorView v, ConstTensorView slots, TensorView k_pages,
                                TensorView v_pages) {
  const int64_t heads = k.dim[1], width = k.dim[2];
  const int64_t t = thread_number() / (heads * width), h = thread_number() / width % heads, d = thread_number() % width;
  if (t >= k.dim[0]) return;
  const int64_t slot = int_at(slots, t);
  if (slot < 0 || slot >= k_pages.dim[0] * k_pages.dim[1]) return;
  const int64_t to = (slot * heads + h) * width + d;
  store(k_pages.data, k_pages.dtype, to, get(k, t, h, d));
  store(v_pages.data, v_pages.dtype, to, get(v, t, h, d));
}

}  // namespace

void kv_write(const KvWriteArgs& a, Exec exec) {
  check(a);
  check_type("kv_write", a.k.dtype);
  GLMV_LAUNCH_EACH(kv_write_kernel, a.k.size(), exec, a.k, a.v, a.slots, a.k_pages, a.v_pages);
}

}  // namespace glmv::GLMV_BACKEND::naive
