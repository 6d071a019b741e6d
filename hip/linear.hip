#include "hip/linear.h"

#include "gpu/naive/ops.h"
#include "hip/device.h"
#include "hip/ops.h"

namespace glmv::GLMV_BACKEND {

size_t linear_scratch(const LinearArgs& a) { return hip_plan::plan_linear(a, current_device()).scratch_bytes; }

void linear(const LinearArgs& a, Exec exec) {
  check(a);
  check_type("linear", a.out.dtype);
  const hip_plan::LinearPlan plan = hip_plan::plan_linear(a, current_device());
  GLMV_CHECK(exec.scratch.bytes >= plan.scratch_bytes, "linear needs ", plan.scratch_bytes, " bytes of scratch, got ",
             exec.scratch.bytes);
  switch (plan.path) {
    case hip_plan::LinearPath::naive: return naive::linear(a, exec);
    case hip_plan::LinearPath::gemv: return linear_gemv(operands_of(a, plan.wide_stores), plan, exec);
    case hip_plan::LinearPath::skinny: return linear_skinny(operands_of(a, plan.wide_stores), plan, exec);
    case hip_plan::LinearPath::dense: return linear_dense(operands_of(a, plan.wide_stores), plan, exec);
  }
}

}  // namespace glmv::GLMV_BACKEND
