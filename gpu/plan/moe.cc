#include "gpu/plan/moe.h"

#include <algorithm>
#include <initializer_list>
#include <limits>

#include "reference/core/error.h"

namespace glmv::gpu_plan {
namespace {

constexpr int64_t kMaxSlots = std::numeric_limits<int32_t>::max();

/// Name of the first of the rules that holds, or null.
struct Rule {
  bool holds;
  const char* name;
};
const char* first_of(std::initializer_list<Rule> rules) {
  for (const Rule& r : rules) {
    if (r.holds) return r.name;
  }
  return nullptr;
}

bool is_plain_bf16(const ExpertsProblem& p) { return p.format == Format::plain && p.weight == DType::bf16; }
bool is_fp8(const ExpertsProblem& p) { return p.format == Format::fp8_per_row && p.weight == DType::f8e4m3; }

}  // namespace

void check_countable(const char* op, int64_t tokens, int64_t k) {
  GLMV_CHECK(k <= 0 || tokens <= kMaxSlots / k, op, ": ", tokens, " tokens with ", k, " experts each are too many");
}

const char* why_naive(const RouteProblem& p) {
  return first_of({
      {p.activation != DType::f32 && p.activation != DType::bf16, "activations are neither f32 nor bf16"},
      {p.gate_format != Format::plain, "the gate is quantised"},
      {p.gate != DType::f32 && p.gate != DType::bf16, "the gate is neither f32 nor bf16"},
      {p.experts > kMaxExperts, "more than 256 experts"},
      {p.groups > kMaxGroups, "more than 32 groups"},
      {p.width % 8 != 0, "H is not a multiple of 8"},
      {!p.aligned, "a row is not aligned to 16 bytes"},
  });
}

int64_t worst_row_tiles(int64_t slots, int64_t experts, int tile_rows) {
  // An expert's last tile may hold a single row. With n experts in use, sum of ceil(rows / tile) is at most
  // (slots + n (tile - 1)) / tile.
  return (slots + std::min(slots, experts) * (tile_rows - 1)) / tile_rows;
}

AlignPlan plan_align(int64_t slots, int64_t experts, int tile_rows, int lanes) {
  AlignPlan a;
  a.tile_rows = tile_rows;
  a.row_tiles = worst_row_tiles(slots, experts, tile_rows);
  a.blocks = slots <= kOneLaunchSlots ? 1 : ceil_div(slots, kOneLaunchSlots / 4);
  a.chunk = a.blocks == 1 ? slots : kOneLaunchSlots / 4;
  a.threads = a.chunk <= 1024 ? 128 : 1024;
  a.shared_bytes = static_cast<size_t>(a.threads / lanes * experts) * sizeof(int32_t);
  const auto place = [&](int64_t ints) {
    const size_t at = a.bytes;
    a.bytes += padded(ints * 4);
    return at;
  };
  a.offsets_at = place(experts + 1);
  a.slot_of_row_at = place(slots);
  a.row_of_slot_at = place(slots);
  a.tiles_at = place(4 * a.row_tiles);
  a.counts_at = place(a.blocks == 1 ? 0 : a.blocks * experts);
  return a;
}

const char* why_naive(const ExpertsProblem& p) {
  return first_of({
      {p.activation != DType::bf16, "activations are not bf16"},
      {!is_plain_bf16(p) && !is_fp8(p), "experts are neither plain bf16 nor FP8 with a scale per row"},
      {p.width % 8 != 0 || p.ffn % 8 != 0, "H or F is not a multiple of 8"},
      {is_fp8(p) && (p.width % 16 != 0 || p.ffn % 16 != 0), "H or F of FP8 experts is not a multiple of 16"},
      {p.experts > kMaxExperts, "more than 256 experts"},
      {p.k > p.experts, "more experts per token than there are"},
      {!p.aligned, "a row is not aligned to 16 bytes"},
  });
}

void plan_grouped(const ExpertsProblem& p, const TileExtents& tile, int lanes, ExpertsPlan& plan) {
  plan.path = ExpertsPath::grouped;
  plan.rule = p.tokens > kDecodeTokens ? "more than 4 tokens" : "hidden values beyond shared memory";
  const int64_t slots = p.tokens * p.k;
  plan.align = plan_align(slots, p.experts, tile.rows, lanes);
  GLMV_CHECK(plan.align.row_tiles <= kMaxGridY, "moe_experts: ", slots, " slots are too many for one launch");
  plan.pieces = p.rounding == Rounding::hf ? 1 : 3;
  plan.gate_up = {ceil_div(2 * p.ffn, tile.weight_rows), plan.align.row_tiles};
  plan.down = {ceil_div(p.width, tile.weight_rows), plan.align.row_tiles};
  plan.combine = {p.tokens};
  const int64_t output_bytes = p.rounding == Rounding::hf ? 2 : 4;
  plan.hidden_at = plan.align.bytes;
  plan.outputs_at = plan.hidden_at + padded(slots * p.ffn * 2 * plan.pieces);
  plan.bytes = plan.outputs_at + padded(slots * p.width * output_bytes);
}

}  // namespace glmv::gpu_plan
