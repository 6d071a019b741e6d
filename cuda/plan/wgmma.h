// Plan of the wgmma kernels (cuda/wgmma/): what they take, tiles, shared memory. What they refuse runs on the tuned
// rung.
#pragma once

#include "cuda/plan/attention.h"
#include "cuda/plan/linear.h"
#include "cuda/plan/moe_plan.h"

namespace glmv::cuda_plan {

// A block is a producer warpgroup, of which one thread issues tensor loads, and two consumers with 64 rows each.
constexpr int kWarpgroup = 128, kConsumers = 2;
constexpr int kWgmmaThreads = kWarpgroup * (1 + kConsumers);
constexpr int kWgmmaRows = 64 * kConsumers;
constexpr int kWgmmaDepth = 64;  ///< columns of a box: 128 bytes
/// Boxes begin at multiples of the swizzle's 1024 bytes, dynamic shared memory need not: so much is spent on alignment.
constexpr size_t kBoxAlignment = 1024;

// Large: 48 KiB a stage, 128 accumulators a thread. Small: 32 KiB and 64, for problems of few tiles.
constexpr Tile kWgmmaLarge = {kWgmmaRows, 256, kWgmmaDepth, 4};
constexpr Tile kWgmmaSmall = {kWgmmaRows, 128, kWgmmaDepth, 6};
/// Fewer tokens leave rows of a tile empty; mma.sync has smaller tiles for them.
constexpr int64_t kWgmmaTokens = 128;

struct WgmmaLinearPlan {
  const char* rule = "";  ///< why the tuned kernels take the call instead; null: these do
  Tile tile = kWgmmaSmall;
  int blocks = 0, steps = 0;
  size_t shared_bytes = 0;
  bool wide_stores = false;
};

/// Error: more tiles than a grid has blocks.
WgmmaLinearPlan plan_linear_wgmma(const LinearArgs& a, const Device& device);

/// The two grouped products of moe_experts, on rows sorted as the tuned kernels sort them.
struct WgmmaExpertsPlan {
  const char* rule = "";
  Blocks gate_up, down;  ///< grids: columns, row tiles
  size_t shared_bytes = 0;
  size_t maps_bytes = 0;  ///< of scratch, before what the tuned plan wants: a tensor map per expert and matrix
};
constexpr size_t kTensorMapBytes = 128;

WgmmaExpertsPlan plan_experts_wgmma(const ExpertsProblem& p, const ExpertsPlan& tuned, const Device& device);

/// Prefill and vision attention, heads of 128.
struct WgmmaAttentionPlan {
  const char* rule = "";
  AttentionPlan tuned;  ///< the tuned plan with this kernel's tiles and shared memory
};
constexpr int kAttentionRows = 128, kAttentionKeys = 128, kAttentionStages = 2;
constexpr size_t kAttentionSharedBytes = (kAttentionRows + 2 * kAttentionStages * kAttentionKeys) * 128 * 2;

WgmmaAttentionPlan plan_attention_wgmma(const AttentionArgs& a, const Device& device);

}  // namespace glmv::cuda_plan
