#include "cuda/linear.h"

#include "cuda/device.h"
#include "cuda/linear_codes.h"
#include "cuda/ops.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND {
size_t linear_scratch(const LinearArgs& a) { return cuda_plan::plan_linear(a, current_device()).scratch_bytes; }

void linear(const LinearArgs& a, Exec exec) {
  check(a);
  check_type("linear", a.out.dtype);
  const cuda_plan::LinearPlan plan = cuda_plan::plan_linear(a, current_device());
  GLMV_CHECK(exec.scratch.bytes >= plan.scratch_bytes, "linear needs ", plan.scratch_bytes, " bytes of scratch, got ",
             exec.scratch.bytes);
  switch (plan.path) {
    case cuda_plan::LinearPath::naive: return naive::linear(a, exec);
    case cuda_plan::LinearPath::gemv: return linear_gemv(operands_of(a, plan.wide_stores), plan, exec);
    case cuda_plan::LinearPath::skinny: return linear_skinny(operands_of(a, plan.wide_stores), plan, exec);
    case cuda_plan::LinearPath::dense: return linear_dense(operands_of(a, plan.wide_stores), plan, exec);
    case cuda_plan::LinearPath::codes_few: return linear_codes_few(a, plan, exec);
    case cuda_plan::LinearPath::codes_tiles: return linear_codes_tiles(a, plan, exec);
  }
}

}  // namespace glmv::GLMV_BACKEND
