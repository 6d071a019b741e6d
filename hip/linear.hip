#include "hip/linear.h"

#include "gpu/naive/ops.h"
#include "hip/device.h"
#include "hip/ops.h"

namespace glmv::GLMV_BACKEND {

LinearOperands operands_of(const LinearArgs& a, const hip_plan::LinearPlan& plan) {
  return {static_cast<const bf16*>(a.x.data),
          static_cast<const bf16*>(a.w.data.data),
          a.x.stride[0],
          a.w.data.stride[0],
          a.bias,
          a.out,
          static_cast<int>(a.x.dim[0]),
          static_cast<int>(a.w.rows()),
          static_cast<int>(a.x.dim[1]),
          plan.wide_stores};
}

size_t linear_scratch(const LinearArgs& a) { return hip_plan::plan_linear(a, current_device()).scratch_bytes; }

void linear(const LinearArgs& a, Exec exec) {
  check(a);
  check_type("linear", a.out.dtype);
  const hip_plan::LinearPlan plan = hip_plan::plan_linear(a, current_device());
  GLMV_CHECK(exec.scratch.bytes >= plan.scratch_bytes, "linear needs ", plan.scratch_bytes, " bytes of scratch, got ",
             exec.scratch.bytes);
  switch (plan.path) {
    case hip_plan::LinearPath::naive: return naive::linear(a, exec);
    case hip_plan::LinearPath::gemv: return linear_gemv(operands_of(a, plan), plan, exec);
    case hip_plan::LinearPath::skinny: return linear_skinny(operands_of(a, plan), plan, exec);
    case hip_plan::LinearPath::dense: return linear_dense(operands_of(a, plan), plan, exec);
  }
}

}  // namespace glmv::GLMV_BACKEND
