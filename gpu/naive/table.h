#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {

OpTable ops() {
  OpTable t;
  t.pos_embed_taps = {pos_embed_taps};
  t.pos_embed = {pos_embed};
  t.rope_table = {rope_table};
  t.embedding = {embedding};
  t.splice = {splice};
  t.rmsnorm = {rmsnorm};
  t.layernorm = {layernorm};
  t.linear = {linear};
  t.add = {add};
  t.gelu = {gelu};
  t.silu_mul = {silu_mul};
  t.mrope = {mrope};
  t.kv_write = {kv_write};
  t.attention = {attention, attention_scratch};
  t.moe_route = {moe_route};
  t.moe_experts = {moe_experts, moe_experts_scratch};
  t.sample = {sample};
  t.advance = {advance};
  t.fused_add_rmsnorm = {fused_add_rmsnorm};
  return t;
}

}  // namespace glmv::GLMV_BACKEND::naive
