#include "reference/fused.h"

#include "reference/add.h"
#include "reference/rmsnorm.h"

namespace glmv {

void check(const FusedAddRmsNormArgs& a) {
  check(AddArgs{a.residual, a.delta, a.residual});
  check(RmsNormArgs{a.residual, a.weight, a.eps, a.out, a.rounding});
}

namespace ref {

void fused_add_rmsnorm(const FusedAddRmsNormArgs& a, Exec exec) {
  add({a.residual, a.delta, a.residual}, exec);
  rmsnorm({a.residual, a.weight, a.eps, a.out, a.rounding}, exec);
}

}  // namespace ref
}  // namespace glmv
