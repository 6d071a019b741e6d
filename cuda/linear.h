// The kernels of linear, one launch each. Operands have been checked, the plan says which one runs.
#pragma once

#include "cuda/linear_tiles.h"

namespace glmv::GLMV_BACKEND {

void linear_gemv(const LinearOperands& a, const cuda_plan::LinearPlan& plan, Exec exec);
void linear_skinny(const LinearOperands& a, const cuda_plan::LinearPlan& plan, Exec exec);
void linear_dense(const LinearOperands& a, const cuda_plan::LinearPlan& plan, Exec exec);

}  // namespace glmv::GLMV_BACKEND
