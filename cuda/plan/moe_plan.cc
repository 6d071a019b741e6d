#include "cuda/plan/moe_plan.h"

#include <algorithm>

#include "reference/core/error.h"

namespace glmv::cuda_plan {

using gpu_plan::ceil_div;
using gpu_plan::kMaxGridY;
using gpu_plan::padded;

constexpr int kLanes = 32;

// ---- moe_route

RoutePlan plan_route(const RouteProblem& p) {
  gpu_plan::check_countable("moe_route", p.tokens, std::max(p.k, p.experts));
  RoutePlan plan;
  plan.rule = gpu_plan::why_naive(p);
  if (plan.rule != nullptr) return plan;
  plan.choose = {ceil_div(p.tokens, kChooseWarps)};
  // Tiles of 64 tokens fill few multiprocessors below some hundred tokens; but dots read x once per expert.
  const bool tiles = p.activation == DType::bf16 && p.gate == DType::bf16 && p.tokens > 64;
  if (tiles) {
    plan.path = RoutePath::tiles;
    plan.rule = "bf16 and more than 64 tokens";
    plan.logits = {ceil_div(p.experts, kSomeRows.weight_rows), ceil_div(p.tokens, kSomeRows.rows)};
  } else {
    plan.path = RoutePath::dots;
    plan.rule = p.tokens > 64 ? "f32 operands" : "at most 64 tokens";
    plan.tokens_per_warp = p.tokens == 1 ? 1 : 4;
    plan.logits = {ceil_div(p.experts, kDotWarps), ceil_div(p.tokens, plan.tokens_per_warp)};
  }
  GLMV_CHECK(plan.logits.y <= kMaxGridY, "moe_route: ", p.tokens, " tokens are too many for one launch");
  return plan;
}

// ---- Alignment

AlignPlan plan_align(int64_t slots, int64_t experts, int tile_rows) {
  return gpu_plan::plan_align(slots, experts, tile_rows, kLanes);
}

// ---- moe_experts

TileExtents tile_for(int64_t slots, int64_t experts) {
  // The mean rows of an expert. Up to a tile of 16 a step is bound by reading weights; from 128 on, by the products.
  const int64_t mean = ceil_div(slots, experts);
  return mean <= 16 ? kFewRows : mean < 128 ? kSomeRows : kManyRows;
}

namespace {

void plan_decode(const ExpertsProblem& p, ExpertsPlan& plan) {
  plan.path = ExpertsPath::decode;
  plan.rule = "at most 4 tokens";
  const int64_t slots = p.tokens * p.k;
  plan.gate_up = {ceil_div(p.ffn, kDecodeWarps), slots};
  plan.down = {ceil_div(p.width, int64_t{kDecodeWarps} * kDecodeRowsPerWarp), p.tokens};
  plan.bytes = padded(slots * p.ffn * static_cast<int64_t>(sizeof(float)));
}

}  // namespace

ExpertsPlan plan_experts(const ExpertsProblem& p) {
  gpu_plan::check_countable("moe_experts", p.tokens, p.k);
  ExpertsPlan plan;
  plan.rule = gpu_plan::why_naive(p);
  if (plan.rule != nullptr) return plan;
  plan.decode_shared_bytes = static_cast<size_t>(p.k * p.ffn) * sizeof(float);
  if (p.tokens <= kDecodeTokens && plan.decode_shared_bytes <= kMaxDecodeShared) {
    plan_decode(p, plan);
  } else {
    gpu_plan::plan_grouped(p, tile_for(p.tokens * p.k, p.experts), kLanes, plan);
  }
  return plan;
}

}  // namespace glmv::cuda_plan
