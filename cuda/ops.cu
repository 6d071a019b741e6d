#include "cuda/ops.h"

#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND {

OpTable ops() {
  OpTable t = naive::ops();
  t.attention = {attention, attention_scratch};
  t.moe_route = {moe_route};
  t.moe_experts = {moe_experts, moe_experts_scratch};
  t.rmsnorm = {rmsnorm};
  t.fused_add_rmsnorm = {fused_add_rmsnorm};
  t.layernorm = {layernorm};
  t.linear = {linear, linear_scratch};
  t.add = {add};
  t.gelu = {gelu};
  t.silu_mul = {silu_mul};
  t.mrope = {mrope};
  t.kv_write = {kv_write};
  t.sample = {sample};
  t.fused_rope_kv_write = {fused_rope_kv_write};
  return t;
}

}  // namespace glmv::GLMV_BACKEND
