// linear with FP8 weights: codes of E4M3 and a scale per row. Launches; arguments are checked, the plan says which.
#pragma once

#include "cuda/plan/linear.h"
#include "reference/core/exec.h"

namespace glmv::GLMV_BACKEND {

void linear_codes_few(const LinearArgs& a, const cuda_plan::LinearPlan& plan, Exec exec);
void linear_codes_tiles(const LinearArgs& a, const cuda_plan::LinearPlan& plan, Exec exec);

}  // namespace glmv::GLMV_BACKEND
