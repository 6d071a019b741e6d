// Plans of the tuned MoE kernels: which path a shape takes, its tiles, grids, scratch memory and shared memory.
// Ordinary C++ that looks at extents only, so that it is tested where there is no GPU.
// What no machine changes of them, and the letters: gpu/plan/moe.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gpu/plan/moe.h"

namespace glmv::cuda_plan {

using gpu_plan::AlignPlan;
using gpu_plan::Blocks;
using gpu_plan::ExpertsPath;
using gpu_plan::ExpertsPlan;
using gpu_plan::ExpertsProblem;
using gpu_plan::kDecodeTokens;
using gpu_plan::kMaxExperts;
using gpu_plan::kMaxGroups;
using gpu_plan::kOneLaunchSlots;
using gpu_plan::RouteProblem;
using gpu_plan::TileExtents;
using gpu_plan::worst_row_tiles;

// ---- moe_route

enum class RoutePath : uint8_t {
  naive,  ///< the plain rung
  dots,   ///< a warp per expert and few tokens, f32 multiply-adds
  tiles,  ///< mma.sync tiles
};

struct RoutePlan {
  RoutePath path = RoutePath::naive;
  const char* rule = "";    ///< why this path
  int tokens_per_warp = 1;  ///< dots: the gate's row is read once for them
  Blocks logits, choose;    ///< grids
};
RoutePlan plan_route(const RouteProblem& p);

constexpr int kDotWarps = 4;     ///< warps of a block that computes logits as dots
constexpr int kChooseWarps = 4;  ///< tokens of a block that chooses experts

// ---- Alignment: slots sorted by expert

AlignPlan plan_align(int64_t slots, int64_t experts, int tile_rows);

// ---- moe_experts

ExpertsPlan plan_experts(const ExpertsProblem& p);

constexpr int kDecodeWarps = 8;
constexpr int kDecodeRowsPerWarp = 4;                  ///< rows of down that a warp computes at once
constexpr size_t kMaxDecodeShared = size_t{96} << 10;  ///< two blocks of it fit on a multiprocessor

/// moe_grouped.cu has one instance of its kernels for each.
constexpr TileExtents kFewRows = {16, 64}, kSomeRows = {64, 128}, kManyRows = {128, 128};
TileExtents tile_for(int64_t slots, int64_t experts);

}  // namespace glmv::cuda_plan
