// Plan of the wgmma kernels (cuda/wgmma/): what they take, tiles, shared memory. What they refuse runs on the tuned
// rung.
#pragma once

#include "cuda/plan/linear.h"

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

}  // namespace glmv::cuda_plan
