// Plans of the tuned MoE kernels: which path a shape takes, its tiles, grids, scratch memory and shared memory.
// Ordinary C++ that looks at extents only, so that it is tested where there is no GPU.
// What no machine changes of them, and the letters: gpu/plan/moe.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gpu/plan/moe.h"
#include "hip/plan/device.h"

namespace glmv::hip_plan {

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
  dots,   ///< a wave per expert and few tokens, f32 multiply-adds; any wave width
  tiles,  ///< as a linear on matrix instructions
};

struct RoutePlan {
  RoutePath path = RoutePath::naive;
  const char* rule = "";    ///< why this path
  int tokens_per_wave = 1;  ///< dots: the gate's row is read once for them
  Blocks logits, choose;    ///< grids
};
RoutePlan plan_route(const RouteProblem& p, const Device& device);

constexpr int kDotWaves = 4;     ///< waves of a block that computes logits as dots
constexpr int kChooseWaves = 4;  ///< tokens of a block that chooses experts

// ---- Alignment: slots sorted by expert

AlignPlan plan_align(int64_t slots, int64_t experts, int tile_rows, const Device& device);

// ---- moe_experts

ExpertsPlan plan_experts(const ExpertsProblem& p, const Device& device);

constexpr int kDecodeWaves = 8;
constexpr int kDecodeRowsPerWave = 4;                  ///< rows of down that a wave computes at once
constexpr size_t kMaxDecodeShared = size_t{56} << 10;  ///< with the token's experts, all of the LDS

/// moe_grouped.hip has one instance of its kernels for each.
constexpr TileExtents kFewRows = {32, 128}, kSomeRows = {64, 128}, kManyRows = {128, 128};
TileExtents tile_for(int64_t slots, int64_t experts);

}  // namespace glmv::hip_plan
