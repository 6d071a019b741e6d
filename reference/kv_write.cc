#include "reference/kv_write.h"

#include <cstring>

#include "reference/core/rows.h"

namespace glmv {

void check(const KvWriteArgs& a) {
  GLMV_CHECK(a.slots.dtype == DType::i32 && a.slots.rank == 1, a.slots);
  for (const ConstTensorView& x : {a.k, a.v}) {
    GLMV_CHECK(x.rank == 3 && x.dim[0] == a.slots.dim[0] && x.dim[1] == a.k.dim[1] && x.dim[2] == a.k.dim[2], "k ", a.k,
               " v ", a.v, " slots ", a.slots);
    GLMV_CHECK(x.stride[2] == 1 && (x.dim[1] == 1 || x.stride[1] == x.dim[2]), "heads of ", x, " are not adjacent");
  }
  for (const TensorView& p : {a.k_pages, a.v_pages}) {
    GLMV_CHECK(p.rank == 4 && p.contiguous() && p.dtype == a.k.dtype && a.k.dtype == a.v.dtype, p, " k ", a.k);
    GLMV_CHECK(p.dim[2] == a.k.dim[1] && p.dim[3] == a.k.dim[2], p, " k ", a.k);
  }
}

namespace ref {

void kv_write(const KvWriteArgs& a, Exec) {
  check(a);
  const auto slot = as<int32_t, 1>(a.slots);
  const int64_t rows = a.k_pages.dim[0] * a.k_pages.dim[1];
  const auto bytes = static_cast<size_t>(a.k.dim[1] * a.k.dim[2]) * size_of(a.k.dtype);
  for (int64_t t = 0; t < slot.dim[0]; ++t) {
    GLMV_CHECK(slot(t) >= 0 && slot(t) < rows, "slot ", slot(t), " of token ", t, ", cache has ", rows);
    std::memcpy(static_cast<char*>(a.k_pages.data) + static_cast<size_t>(slot(t)) * bytes, row_of(a.k, t), bytes);
    std::memcpy(static_cast<char*>(a.v_pages.data) + static_cast<size_t>(slot(t)) * bytes, row_of(a.v, t), bytes);
  }
}

}  // namespace ref
}  // namespace glmv
