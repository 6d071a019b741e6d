#pragma once

#include "reference/core/exec.h"
#include "reference/core/weight.h"

namespace glmv {

/// moe_route: which K experts a token goes to, and with which weights.
///   logits = x · gateᵀ          scores = 1 / (1 + exp(-logits))         (sigmoid, not softmax)
///   chosen = the K experts with the largest scores + correction_bias among the best topk_group of n_group groups,
///            a group ranked by the sum of its two largest; equal values: lower index first
///   weight = scores of the chosen, without the bias; normalised if norm_topk (sum + 1e-20), times scaling
/// Shapes   x [T, H]   gate [E, H]   correction_bias [E]   logits [T, E]   ids, weights [T, K]
///          forced_ids [T, K] or none
/// Types    x f32 or bf16 (f64 = gold); gate any float type; logits and weights f32 (f64 in a gold run); ids i32
/// Rounding none: everything in f32, also in a bf16 run
/// Order    ids ascend, weights follow them. Forced ids replace the choice; weights are still computed from scores
/// Errors   Error on any mismatch above; a forced id outside [0, E) or twice
/// Cost     2·T·E·H flops, reads gate once
/// Source   Glm4vMoeTextTopkRouter; DeepSeek-V3, arXiv 2412.19437, section 2.1.2
struct MoeRouteArgs {
  ConstTensorView x;
  Weight gate;
  ConstTensorView correction_bias;
  int64_t n_group = 1;
  int64_t topk_group = 1;
  bool norm_topk = true;
  float scaling = 1;
  ConstTensorView forced_ids;
  TensorView logits;
  TensorView ids;
  TensorView weights;
};
void check(const MoeRouteArgs&);

namespace ref {
void moe_route(const MoeRouteArgs&, Exec);
}
}  // namespace glmv
