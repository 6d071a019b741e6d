#include "hip/plan/moe_plan.h"

#include <algorithm>
#include <limits>

#include "reference/core/error.h"

namespace glmv::hip_plan {
namespace {

constexpr int64_t kMaxGridY = 65535;
constexpr int64_t kMaxSlots = std::numeric_limits<int32_t>::max();

int64_t ceil_div(int64_t n, int64_t by) { return (n + by - 1) / by; }

size_t padded(int64_t bytes) { return static_cast<size_t>(ceil_div(bytes, 256) * 256); }

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

/// Kernels count slots in i32. A named error: the plain rung would take a year for so many.
void check_countable(const char* op, int64_t tokens, int64_t k) {
  GLMV_CHECK(k <= 0 || tokens <= kMaxSlots / k, op, ": ", tokens, " tokens with ", k, " experts each are too many");
}

}  // namespace

// ---- moe_route

RoutePlan plan_route(const RouteProblem& p, const Device& device) {
  check_countable("moe_route", p.tokens, std::max(p.k, p.experts));
  RoutePlan plan;
  plan.rule = first_of({
      {p.activation != DType::f32 && p.activation != DType::bf16, "activations are neither f32 nor bf16"},
      {p.gate_format != Format::plain, "the gate is quantised"},
      {p.gate != DType::f32 && p.gate != DType::bf16, "the gate is neither f32 nor bf16"},
      {p.experts > kMaxExperts, "more than 256 experts"},
      {p.groups > kMaxGroups, "more than 32 groups"},
      {p.width % 8 != 0, "H is not a multiple of 8"},
      {!p.aligned, "a row is not aligned to 16 bytes"},
  });
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

int64_t worst_row_tiles(int64_t slots, int64_t experts, int tile_rows) {
  // An expert's last tile may hold a single row. With n experts in use, sum of ceil(rows / tile) is at most
  // (slots + n (tile - 1)) / tile.
  return (slots + std::min(slots, experts) * (tile_rows - 1)) / tile_rows;
}

AlignPlan plan_align(int64_t slots, int64_t experts, int tile_rows, const Device& device) {
  AlignPlan a;
  a.tile_rows = tile_rows;
  a.row_tiles = worst_row_tiles(slots, experts, tile_rows);
  a.blocks = slots <= kOneLaunchSlots ? 1 : ceil_div(slots, kOneLaunchSlots / 4);
  a.chunk = a.blocks == 1 ? slots : kOneLaunchSlots / 4;
  a.threads = a.chunk <= 1024 ? 128 : 1024;
  a.shared_bytes = static_cast<size_t>(a.threads / device.wave * experts) * sizeof(int32_t);
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

// ---- moe_experts

TileExtents tile_for(int64_t slots, int64_t experts) {
  // The mean rows of an expert. Up to a tile of 32 a step is bound by reading weights; from 128 on, by the products.
  const int64_t mean = ceil_div(slots, experts);
  return mean <= 32 ? kFewRows : mean < 128 ? kSomeRows : kManyRows;
}

namespace {

bool is_plain_bf16(const ExpertsProblem& p) { return p.format == Format::plain && p.weight == DType::bf16; }
bool is_fp8(const ExpertsProblem& p) { return p.format == Format::fp8_per_row && p.weight == DType::f8e4m3; }

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

void plan_decode(const ExpertsProblem& p, ExpertsPlan& plan) {
  plan.path = ExpertsPath::decode;
  plan.rule = "at most 4 tokens";
  const int64_t slots = p.tokens * p.k;
  plan.gate_up = {ceil_div(p.ffn, kDecodeWaves), slots};
  plan.down = {ceil_div(p.width, int64_t{kDecodeWaves} * kDecodeRowsPerWave), p.tokens};
  plan.bytes = padded(slots * p.ffn * static_cast<int64_t>(sizeof(float)));
}

void plan_grouped(const ExpertsProblem& p, const Device& device, ExpertsPlan& plan) {
  plan.path = ExpertsPath::grouped;
  plan.rule = p.tokens > kDecodeTokens ? "more than 4 tokens" : "hidden values beyond shared memory";
  const int64_t slots = p.tokens * p.k;
  const TileExtents tile = tile_for(slots, p.experts);
  plan.align = plan_align(slots, p.experts, tile.rows, device);
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

}  // namespace

ExpertsPlan plan_experts(const ExpertsProblem& p, const Device& device) {
  check_countable("moe_experts", p.tokens, p.k);
  ExpertsPlan plan;
  plan.rule = why_naive(p);
  if (plan.rule != nullptr) return plan;
  plan.decode_shared_bytes = static_cast<size_t>(p.k * p.ffn) * sizeof(float);
  if (p.tokens <= kDecodeTokens && plan.decode_shared_bytes <= kMaxDecodeShared) {
    plan_decode(p, plan);
  } else if (device.mfma) {
    plan_grouped(p, device, plan);
  } else {
    plan.rule = "no matrix instructions";
  }
  return plan;
}

}  // namespace glmv::hip_plan
