#include "cuda/linear.h"

#include "cuda/device.h"
#include "cuda/ops.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND {
namespace {

LinearOperands operands_of(const LinearArgs& a, const cuda_plan::LinearPlan& plan) {
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

}  // namespace

size_t linear_scratch(const LinearArgs& a) { return cuda_plan::plan_linear(a, current_device()).scratch_bytes; }

void linear(const LinearArgs& a, Exec exec) {
  check(a);
  check_type("linear", a.out.dtype);
  const cuda_plan::LinearPlan plan = cuda_plan::plan_linear(a, current_device());
  GLMV_CHECK(exec.scratch.bytes >= plan.scratch_bytes, "linear needs ", plan.scratch_bytes, " bytes of scratch, got ",
             exec.scratch.bytes);
  switch (plan.path) {
    case cuda_plan::LinearPath::naive: return naive::linear(a, exec);
    case cuda_plan::LinearPath::gemv: return linear_gemv(operands_of(a, plan), plan, exec);
    case cuda_plan::LinearPath::skinny: return linear_skinny(operands_of(a, plan), plan, exec);
    case cuda_plan::LinearPath::dense: return linear_dense(operands_of(a, plan), plan, exec);
  }
}

}  // namespace glmv::GLMV_BACKEND
