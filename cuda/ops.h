// The tuned rung: kernels designed for sm_80 and later (mma.sync, cp.async), one file per family. An op that has none
// here yet runs on the plain rung.
#pragma once

#include "reference/core/ops.h"

namespace glmv::GLMV_BACKEND {

void attention(const AttentionArgs&, Exec);
size_t attention_scratch(const AttentionArgs&);
void moe_route(const MoeRouteArgs&, Exec);
void moe_experts(const MoeExpertsArgs&, Exec);
size_t moe_experts_scratch(const MoeExpertsArgs&);

OpTable ops();

}  // namespace glmv::GLMV_BACKEND
