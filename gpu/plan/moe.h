// Plans of the tuned MoE kernels, as far as no machine changes them: what a call looks like, why it goes to the plain
// rung, how slots are sorted by expert and where everything lies in scratch memory. Tile sizes, grids of dots and
// thresholds are the machine's: cuda/plan/moe_plan.h, hip/plan/moe_plan.h.
//
// Letters: T tokens, K experts per token, E experts, H hidden width, F width inside an expert. A slot is one (token, k)
// of the T K places of the ids, numbered t K + k; a row is a slot in the order of its expert.
#pragma once

#include <cstddef>
#include <cstdint>

#include "reference/core/dtype.h"
#include "reference/core/rounding.h"
#include "reference/core/weight.h"

namespace glmv::gpu_plan {

constexpr int64_t ceil_div(int64_t n, int64_t by) { return (n + by - 1) / by; }
/// The next multiple of 256, at which everything in scratch memory begins.
constexpr size_t padded(int64_t bytes) { return static_cast<size_t>(ceil_div(bytes, 256) * 256); }

/// Blocks of a grid.
struct Blocks {
  int64_t x = 0, y = 1;
};

constexpr int64_t kMaxGridY = 65535;
constexpr int kMaxExperts = 256;
constexpr int kMaxGroups = 32;  ///< a lane keeps a group's value

/// Error: more slots than kernels count in i32. The plain rung would take a year for so many.
void check_countable(const char* op, int64_t tokens, int64_t k);

// ---- moe_route

struct RouteProblem {
  int64_t tokens, k, experts, width, groups;
  DType activation, gate;
  Format gate_format;
  bool aligned;  ///< every row of x and gate begins at a multiple of 16 bytes
};

/// Why only the plain rung takes it, or null.
const char* why_naive(const RouteProblem& p);

// ---- Alignment: slots sorted by expert

struct AlignPlan {
  int threads = 0;        ///< of a counting block
  int64_t blocks = 0;     ///< 1: one launch does everything; else count, scan and place
  int64_t chunk = 0;      ///< slots of a block
  int64_t row_tiles = 0;  ///< no routing needs more tiles of `tile_rows` rows
  int tile_rows = 0;
  size_t shared_bytes = 0;  ///< counters of the block's warps or waves
  // Offsets in the scratch memory of the alignment, and its size; all multiples of 256.
  size_t offsets_at = 0, slot_of_row_at = 0, row_of_slot_at = 0, tiles_at = 0, counts_at = 0, bytes = 0;
};
/// `lanes`: of a warp or wave.
AlignPlan plan_align(int64_t slots, int64_t experts, int tile_rows, int lanes);

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

/// Why only the plain rung takes it, or null.
const char* why_naive(const ExpertsProblem& p);

enum class ExpertsPath : uint8_t {
  naive,    ///< the plain rung
  decode,   ///< a warp or wave per rows of the chosen experts, no sorting
  grouped,  ///< rows sorted by expert, tiles of matrix instructions
};

/// Extents of a tile of the grouped kernels, which have one instance for each of the machine's.
struct TileExtents {
  int rows;         ///< of the activations
  int weight_rows;  ///< of the weights: half of them gate, half up in the first product
};

struct ExpertsPlan {
  ExpertsPath path = ExpertsPath::naive;
  const char* rule = "";
  AlignPlan align;  ///< grouped
  int pieces = 1;   ///< grouped: bf16 values that a hidden value is stored as, see moe_grouped
  Blocks gate_up, down, combine;
  size_t decode_shared_bytes = 0;
  // Offsets behind the expert table, and the sum of all.
  size_t hidden_at = 0, outputs_at = 0, bytes = 0;
};
/// The part of a plan of that path which tiles decide. Error: more row tiles than a grid has.
void plan_grouped(const ExpertsProblem& p, const TileExtents& tile, int lanes, ExpertsPlan& plan);

constexpr int64_t kDecodeTokens = 4;  ///< more than this are sorted

}  // namespace glmv::gpu_plan
