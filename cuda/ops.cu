#include "cuda/ops.h"

#include "cuda/naive/ops.h"

namespace glmv::GLMV_BACKEND {

OpTable ops() {
  OpTable t = naive::ops();
  t.attention = {attention, attention_scratch};
  t.moe_route = {moe_route};
  t.moe_experts = {moe_experts, moe_experts_scratch};
  return t;
}

}  // namespace glmv::GLMV_BACKEND
