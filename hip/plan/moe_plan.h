// Plans of the tuned MoE kernels: which path a shape takes, its tiles, grids, scratch memory and shared memory.
// Ordinary C++ that looks at extents only, so that it is tested where there is no GPU.
//
// Letters: T tokens, K experts per token, E experts, H hidden width, F width inside an expert. A slot is one (token, k)
// of the T K places of the ids, numbered t K + k; a row is a slot in the order of its expert.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hip/plan/device.h"
#include "reference/core/dtype.h"
#include "reference/core/rounding.h"
#include "reference/core/weight.h"

namespace glmv::hip_plan {

/// Blocks of a grid.
struct Blocks {
  int64_t x = 0, y = 1;
};

// ---- moe_route

struct RouteProblem {
  int64_t tokens, k, experts, width, groups;
  DType activation, gate;
  Format gate_format;
  bool aligned;  ///< every row of x and gate begins at a multiple of 16 bytes
};

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
constexpr int kMaxExperts = 256;
constexpr int kMaxGroups = 32;  ///< a lane keeps a group's value

// ---- Alignment: slots sorted by expert

struct AlignPlan {
  int threads = 0;        ///< of a counting block
  int64_t blocks = 0;     ///< 1: one launch does everything; else count, scan and place
  int64_t chunk = 0;      ///< slots of a block
  int64_t row_tiles = 0;  ///< no routing needs more tiles of `tile_rows` rows
  int tile_rows = 0;
  size_t shared_bytes = 0;  ///< counters of the block's waves
  // Offsets in the scratch memory of the alignment, and its size; all multiples of 256.
  size_t offsets_at = 0, slot_of_row_at = 0, row_of_slot_at = 0, tiles_at = 0, counts_at = 0, bytes = 0;
};
AlignPlan plan_align(int64_t slots, int64_t experts, int tile_rows, const Device& device);

constexpr int64_t kOneLaunchSlots = 32768;

/// Most tiles of `tile_rows` rows that `slots` rows of `experts` experts can need.
int64_t worst_row_tiles(int64_t slots, int64_t experts, int tile_rows);

// ---- moe_experts

struct ExpertsProblem {
  int64_t tokens, k, experts, width, ffn;
  DType activation, weight;
  Format format;
  Rounding rounding;
  bool aligned;  ///< every row of x, out and the experts begins at a multiple of 16 bytes
};

enum class ExpertsPath : uint8_t {
  naive,    ///< the plain rung
  decode,   ///< a wave per rows of the chosen experts, no sorting; any wave width
  grouped,  ///< rows sorted by expert, tiles of matrix instructions
};

struct ExpertsPlan {
  ExpertsPath path = ExpertsPath::naive;
  const char* rule = "";
  AlignPlan align;  ///< grouped
  int pieces = 1;   ///< grouped: bf16 values that a hidden value is stored as, see moe_grouped.hip
  Blocks gate_up, down, combine;
  size_t decode_shared_bytes = 0;
  // Offsets behind the expert table, and the sum of all.
  size_t hidden_at = 0, outputs_at = 0, bytes = 0;
};
ExpertsPlan plan_experts(const ExpertsProblem& p, const Device& device);

constexpr int64_t kDecodeTokens = 4;  ///< more than this are sorted
constexpr int kDecodeWaves = 8;
constexpr int kDecodeRowsPerWave = 4;                  ///< rows of down that a wave computes at once
constexpr size_t kMaxDecodeShared = size_t{56} << 10;  ///< with the token's experts, all of the LDS

/// Extents of a tile of the grouped kernels; moe_grouped.hip has one instance of its kernels for each.
struct TileExtents {
  int rows;         ///< of the activations
  int weight_rows;  ///< of the weights: half of them gate, half up in the first product
};
constexpr TileExtents kFewRows = {32, 128}, kSomeRows = {64, 128}, kManyRows = {128, 128};
TileExtents tile_for(int64_t slots, int64_t experts);

}  // namespace glmv::hip_plan
