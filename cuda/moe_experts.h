// The paths of moe_experts, see cuda_plan::ExpertsPath. Arguments are checked and aligned; memory is what the plan
// wants behind the expert table.
#pragma once

#include "cuda/plan/moe_plan.h"
#include "gpu/expert_table.h"
#include "reference/moe_experts.h"

namespace glmv::GLMV_BACKEND {

cuda_plan::ExpertsPlan experts_plan(const MoeExpertsArgs& a);

void moe_decode(const MoeExpertsArgs& a, const ExpertTable& experts, const cuda_plan::ExpertsPlan& plan, char* memory,
                Exec exec);
void moe_grouped(const MoeExpertsArgs& a, const ExpertTable& experts, const cuda_plan::ExpertsPlan& plan, char* memory,
                 Exec exec);

/// Row of an expert's matrix; W is bf16 or f8e4m3.
template <class W>
__device__ const W* expert_row(const ExpertMatrices& m, int expert, int64_t row) {
  return static_cast<const W*>(m.of_expert[expert].data) + row * m.row_stride;
}

/// What a product with a row of codes is multiplied by; 1 for plain weights.
template <class W>
__device__ float row_scale(const ExpertMatrices& m, int expert, int64_t row) {
  return sizeof(W) == 1 ? m.of_expert[expert].scale[row] : 1.0f;
}

/// silu(gate) * up, rounded to `inner` wherever the model rounds.
__device__ inline float hidden_value(DType inner, float gate, float up) {
  const float g = round_to(inner, gate), u = round_to(inner, up);
  return round_to(inner, round_to(inner, g / (1.0f + expf(-g))) * u);
}

}  // namespace glmv::GLMV_BACKEND
