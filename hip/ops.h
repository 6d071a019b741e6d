// The tuned rung: kernels designed for CDNA 2 and later (waves of 64, MFMA), one file per family; on a device without
// MFMA those that need none of it. An op that has no kernel here runs on the plain rung.
#pragma once

#include "reference/core/ops.h"

namespace glmv::GLMV_BACKEND {

void attention(const AttentionArgs&, Exec);
size_t attention_scratch(const AttentionArgs&);
void moe_route(const MoeRouteArgs&, Exec);
void moe_experts(const MoeExpertsArgs&, Exec);
size_t moe_experts_scratch(const MoeExpertsArgs&);
void rmsnorm(const RmsNormArgs&, Exec);
void fused_add_rmsnorm(const FusedAddRmsNormArgs&, Exec);
void layernorm(const LayerNormArgs&, Exec);
void linear(const LinearArgs&, Exec);
size_t linear_scratch(const LinearArgs&);
void add(const AddArgs&, Exec);
void gelu(const GeluArgs&, Exec);
void silu_mul(const SiluMulArgs&, Exec);
void mrope(const MropeArgs&, Exec);
void kv_write(const KvWriteArgs&, Exec);
void fused_rope_kv_write(const FusedRopeKvWriteArgs&, Exec);
void sample(const SampleArgs&, Exec);

OpTable ops();

}  // namespace glmv::GLMV_BACKEND
