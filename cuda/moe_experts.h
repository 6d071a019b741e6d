// The paths of moe_experts, see plan::ExpertsPath. Arguments are checked, bf16 and aligned; memory is what the plan
// wants behind the expert table.
#pragma once

#include "cuda/expert_table.h"
#include "cuda/plan/moe_plan.h"
#include "reference/moe_experts.h"

namespace glmv::GLMV_BACKEND {

void moe_decode(const MoeExpertsArgs& a, const ExpertTable& experts, const plan::ExpertsPlan& plan, char* memory,
                Exec exec);
void moe_grouped(const MoeExpertsArgs& a, const ExpertTable& experts, const plan::ExpertsPlan& plan, char* memory,
                 Exec exec);

/// Row of an expert's bf16 matrix.
__device__ inline const bf16* expert_row(const ExpertMatrices& m, int expert, int64_t row) {
  return static_cast<const bf16*>(m.of_expert[expert].data) + row * m.row_stride;
}

/// silu(gate) * up, rounded to `inner` wherever the model rounds.
__device__ inline float hidden_value(DType inner, float gate, float up) {
  const float g = round_to(inner, gate), u = round_to(inner, up);
  return round_to(inner, round_to(inner, g / (1.0f + expf(-g))) * u);
}

}  // namespace glmv::GLMV_BACKEND
