// The wgmma rung: tensor loads and wgmma, for sm_90a only. Each op here takes what its planner lets through and leaves
// the rest to the tuned rung. Never the default: it has not run on hardware.
#pragma once

#include "reference/core/ops.h"

namespace glmv::GLMV_BACKEND::wgmma {

void attention(const AttentionArgs&, Exec);
size_t attention_scratch(const AttentionArgs&);
void linear(const LinearArgs&, Exec);
size_t linear_scratch(const LinearArgs&);
void moe_experts(const MoeExpertsArgs&, Exec);
size_t moe_experts_scratch(const MoeExpertsArgs&);

}  // namespace glmv::GLMV_BACKEND::wgmma
