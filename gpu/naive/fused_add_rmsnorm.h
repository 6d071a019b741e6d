#include "gpu/naive/ops.h"
#include "reference/add.h"
#include "reference/fused.h"
#include "reference/rmsnorm.h"

namespace glmv::GLMV_BACKEND::naive {

/// The composition that defines it.
void fused_add_rmsnorm(const FusedAddRmsNormArgs& a, Exec exec) {
  add({a.residual, a.delta, a.residual}, exec);
  rmsnorm({a.residual, a.weight, a.eps, a.out, a.rounding}, exec);
}

}  // namespace glmv::GLMV_BACKEND::naive
