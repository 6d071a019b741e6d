// The plain rung of the kernel ladder: every op as the shortest kernel that is right, about one thread per output. It
// is what the tuned kernels are read against, and it runs the whole model.
#pragma once

#include "reference/core/ops.h"

namespace glmv::GLMV_BACKEND::naive {

void pos_embed_taps(const PosEmbedTapsArgs&, Exec);
void pos_embed(const PosEmbedArgs&, Exec);
void rope_table(const RopeTableArgs&, Exec);
void embedding(const EmbeddingArgs&, Exec);
void splice(const SpliceArgs&, Exec);
void rmsnorm(const RmsNormArgs&, Exec);
void layernorm(const LayerNormArgs&, Exec);
void linear(const LinearArgs&, Exec);
void add(const AddArgs&, Exec);
void gelu(const GeluArgs&, Exec);
void silu_mul(const SiluMulArgs&, Exec);
void mrope(const MropeArgs&, Exec);
void kv_write(const KvWriteArgs&, Exec);
void attention(const AttentionArgs&, Exec);
size_t attention_scratch(const AttentionArgs&);
void moe_route(const MoeRouteArgs&, Exec);
void moe_experts(const MoeExpertsArgs&, Exec);
size_t moe_experts_scratch(const MoeExpertsArgs&);
void sample(const SampleArgs&, Exec);
void advance(const AdvanceArgs&, Exec);
void fused_add_rmsnorm(const FusedAddRmsNormArgs&, Exec);

/// All of them.
OpTable ops();

}  // namespace glmv::GLMV_BACKEND::naive
