// The experts: which path, and its memory. The kernels are in moe_decode.hip and moe_grouped.hip.
//
// f32 activations run on the plain rung: the tiles are of bf16. hip_plan::plan_experts names this rule and the others.
// FP8 experts are widened to bf16, which holds every code exactly; a row's scale multiplies its f32 sum.
#include "hip/moe_experts.h"

#include "gpu/eight.h"
#include "gpu/naive/ops.h"
#include "hip/device.h"
#include "hip/ops.h"

namespace glmv::GLMV_BACKEND {
namespace {

bool experts_aligned(const Weight* weights, int64_t count) {
  for (int64_t e = 0; e < count; ++e) {
    if (!rows_aligned(weights[e].data)) return false;
  }
  return true;
}

/// gate and up [F, H], down [H, F].
void check_extents(const MoeExpertsArgs& a, const ExpertTable& t) {
  const int64_t width = a.x.dim[1], ffn = t.gate.rows;
  GLMV_CHECK(t.gate.columns == width && t.up.columns == width && t.up.rows == ffn && t.down.rows == width &&
                 t.down.columns == ffn,
             "x ", a.x, " gate ", a.experts.gate[0], " up ", a.experts.up[0], " down ", a.experts.down[0]);
}

hip_plan::ExpertsPlan plan_of(const MoeExpertsArgs& a) {
  const Weight& gate = a.experts.gate[0];
  const bool aligned = rows_aligned(a.x) && rows_aligned(a.out) && experts_aligned(a.experts.gate, a.experts.count) &&
                       experts_aligned(a.experts.up, a.experts.count) &&
                       experts_aligned(a.experts.down, a.experts.count);
  return hip_plan::plan_experts({a.x.dim[0], a.ids.dim[1], a.experts.count, a.x.dim[1], gate.rows(), a.x.dtype,
                                 gate.data.dtype, gate.format, a.rounding, aligned},
                                current_device());
}

}  // namespace

size_t moe_experts_scratch(const MoeExpertsArgs& a) {
  const hip_plan::ExpertsPlan plan = plan_of(a);
  if (plan.path == hip_plan::ExpertsPath::naive) return naive::moe_experts_scratch(a);
  return expert_table_scratch(a.experts) + plan.bytes;
}

void moe_experts(const MoeExpertsArgs& a, Exec exec) {
  check(a);
  check_type("moe_experts", a.out.dtype);
  const hip_plan::ExpertsPlan plan = plan_of(a);
  if (plan.path == hip_plan::ExpertsPath::naive) return naive::moe_experts(a, exec);
  if (a.ids.size() == 0) return;
  const size_t table_bytes = expert_table_scratch(a.experts), wanted = table_bytes + plan.bytes;
  GLMV_CHECK(exec.scratch.bytes >= wanted, "moe_experts needs ", wanted, " bytes of scratch, got ", exec.scratch.bytes);
  const ExpertTable table = expert_table(a.experts, exec);
  check_extents(a, table);
  char* memory = static_cast<char*>(exec.scratch.data) + table_bytes;
  plan.path == hip_plan::ExpertsPath::decode ? moe_decode(a, table, plan, memory, exec)
                                             : moe_grouped(a, table, plan, memory, exec);
}

}  // namespace glmv::GLMV_BACKEND
