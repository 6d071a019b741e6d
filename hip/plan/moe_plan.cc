#include "hip/plan/moe_plan.h"

#include <algorithm>

#include "reference/core/error.h"

namespace glmv::hip_plan {

using gpu_plan::ceil_div;
using gpu_plan::kMaxGridY;
using gpu_plan::padded;

// ---- moe_route

RoutePlan plan_route(const RouteProblem& p, const Device& device) {
  gpu_plan::check_countable("moe_route", p.tokens, std::max(p.k, p.experts));
  RoutePlan plan;
  plan.rule = gpu_plan::why_naive(p);
  if (plan.rule != nullptr) return plan;
  plan.choose = {ceil_div(p.tokens, kChooseWaves)};
  if (device.mfma && p.activation == DType::bf16 && p.gate == DType::bf16 && p.tokens > 1) {
    plan.path = RoutePath::tiles;
    plan.rule = "bf16 and more than one token";
    return plan;
  }
  plan.path = RoutePath::dots;
  plan.rule = p.tokens == 1 ? "one token" : "f32 operands, or no matrix instructions";
  plan.tokens_per_wave = p.tokens == 1 ? 1 : 4;
  plan.logits = {ceil_div(p.experts, kDotWaves), ceil_div(p.tokens, plan.tokens_per_wave)};
  GLMV_CHECK(plan.logits.y <= kMaxGridY, "moe_route: ", p.tokens, " tokens are too many for one launch");
  return plan;
}

// ---- Alignment

AlignPlan plan_align(int64_t slots, int64_t experts, int tile_rows, const Device& device) {
  return gpu_plan::plan_align(slots, experts, tile_rows, device.wave);
}

// ---- moe_experts

TileExtents tile_for(int64_t slots, int64_t experts) {
  // The mean rows of an expert. Up to a tile of 32 a step is bound by reading weights; from 128 on, by the products.
  const int64_t mean = ceil_div(slots, experts);
  return mean <= 32 ? kFewRows : mean < 128 ? kSomeRows : kManyRows;
}

namespace {

void plan_decode(const ExpertsProblem& p, ExpertsPlan& plan) {
  plan.path = ExpertsPath::decode;
  plan.rule = "at most 4 tokens";
  const int64_t slots = p.tokens * p.k;
  plan.gate_up = {ceil_div(p.ffn, kDecodeWaves), slots};
  plan.down = {ceil_div(p.width, int64_t{kDecodeWaves} * kDecodeRowsPerWave), p.tokens};
  plan.bytes = padded(slots * p.ffn * static_cast<int64_t>(sizeof(float)));
}

}  // namespace

ExpertsPlan plan_experts(const ExpertsProblem& p, const Device& device) {
  gpu_plan::check_countable("moe_experts", p.tokens, p.k);
  ExpertsPlan plan;
  plan.rule = gpu_plan::why_naive(p);
  if (plan.rule != nullptr) return plan;
  plan.decode_shared_bytes = static_cast<size_t>(p.k * p.ffn) * sizeof(float);
  if (p.tokens <= kDecodeTokens && plan.decode_shared_bytes <= kMaxDecodeShared) {
    plan_decode(p, plan);
  } else if (device.mfma) {
    gpu_plan::plan_grouped(p, tile_for(p.tokens * p.k, p.experts), device.wave, plan);
  } else {
    plan.rule = "no matrix instructions";
  }
  return plan;
}

}  // namespace glmv::hip_plan
