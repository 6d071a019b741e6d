#include "reference/fused.h"

#include "reference/add.h"
#include "reference/core/arena.h"
#include "reference/kv_write.h"
#include "reference/mrope.h"
#include "reference/rmsnorm.h"

namespace glmv {

void check(const FusedAddRmsNormArgs& a) {
  check(AddArgs{a.residual, a.delta, a.residual});
  check(RmsNormArgs{a.residual, a.weight, a.eps, a.out, a.rounding});
}

void check(const FusedRopeKvWriteArgs& a) {
  check(MropeArgs{a.q, a.cos, a.sin, a.pairing, a.rounding, a.q});
  check(KvWriteArgs{a.k, a.v, a.slots, a.k_pages, a.v_pages});
  GLMV_CHECK(a.k.dtype == a.q.dtype && a.k.dim[0] == a.q.dim[0] && a.k.dim[2] == a.q.dim[2], "k ", a.k, " q ", a.q);
}

namespace ref {

void fused_add_rmsnorm(const FusedAddRmsNormArgs& a, Exec exec) {
  add({a.residual, a.delta, a.residual}, exec);
  rmsnorm({a.residual, a.weight, a.eps, a.out, a.rounding}, exec);
}

void fused_rope_kv_write(const FusedRopeKvWriteArgs& a, Exec exec) {
  check(a);
  mrope({a.q, a.cos, a.sin, a.pairing, a.rounding, a.q}, exec);
  const Tensor turned(a.k.dtype, a.k);
  mrope({a.k, a.cos, a.sin, a.pairing, a.rounding, turned.view}, exec);
  kv_write({turned.view, a.v, a.slots, a.k_pages, a.v_pages}, exec);
}

}  // namespace ref
}  // namespace glmv
