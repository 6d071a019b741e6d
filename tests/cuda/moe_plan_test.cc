// The MoE planner: paths, tiles, grids and memory by extents alone.
#include "cuda/plan/moe_plan.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>

#include "reference/core/error.h"

namespace glmv::cuda_plan {
namespace {

/// GLM-4.5V: 128 experts, 8 per token, hidden 4096, experts of 1408.
ExpertsProblem experts(int64_t tokens, Rounding rounding = Rounding::hf) {
  return {tokens, 8, 128, 4096, 1408, DType::bf16, DType::bf16, Format::plain, rounding, true};
}
RouteProblem route(int64_t tokens) { return {tokens, 8, 128, 4096, 1, DType::bf16, DType::bf16, Format::plain, true}; }

TEST(MoePlan, WorstRowTilesIsTheLeastBound) {
  // Brute force: the most tiles over every way to give `slots` rows to `experts` experts.
  const std::function<int64_t(int64_t, int64_t, int)> most = [&](int64_t slots, int64_t n, int tile) -> int64_t {
    if (n == 1) return (slots + tile - 1) / tile;
    int64_t best = 0;
    for (int64_t here = 0; here <= slots; ++here) {
      best = std::max(best, (here + tile - 1) / tile + most(slots - here, n - 1, tile));
    }
    return best;
  };
  for (const int tile : {1, 3, 4}) {
    for (int64_t slots = 0; slots <= 14; ++slots) {
      for (int64_t n = 1; n <= 4; ++n)
        EXPECT_EQ(worst_row_tiles(slots, n, tile), most(slots, n, tile)) << slots << ' ' << n;
    }
  }
}

TEST(MoePlan, FewTokensAreNotSorted) {
  const ExpertsPlan p = plan_experts(experts(1));
  EXPECT_EQ(p.path, ExpertsPath::decode);
  EXPECT_STREQ(p.rule, "at most 4 tokens");
  EXPECT_EQ(p.gate_up.x, 176);
  EXPECT_EQ(p.gate_up.y, 8);
  EXPECT_EQ(p.down.x, 128);
  EXPECT_EQ(p.down.y, 1);
  EXPECT_EQ(p.decode_shared_bytes, 8u * 1408 * 4);
  EXPECT_EQ(p.bytes, 8u * 1408 * 4);
  EXPECT_EQ(plan_experts(experts(4)).path, ExpertsPath::decode);
  EXPECT_EQ(plan_experts(experts(5)).path, ExpertsPath::grouped);
}

TEST(MoePlan, HiddenVectorsThatDoNotFitAreSorted) {
  ExpertsProblem wide = experts(1);
  wide.ffn = 8192;
  EXPECT_EQ(plan_experts(wide).path, ExpertsPath::grouped);
  EXPECT_STREQ(plan_experts(wide).rule, "hidden values beyond shared memory");
}

TEST(MoePlan, TilesFollowTheMeanRowsOfAnExpert) {
  EXPECT_EQ(plan_experts(experts(256)).align.tile_rows, 16);    // 16 rows per expert
  EXPECT_EQ(plan_experts(experts(257)).align.tile_rows, 64);    // 17
  EXPECT_EQ(plan_experts(experts(2032)).align.tile_rows, 64);   // 127
  EXPECT_EQ(plan_experts(experts(2048)).align.tile_rows, 128);  // 128
}

TEST(MoePlan, GridsCoverTheWorstRouting) {
  const ExpertsPlan p = plan_experts(experts(4096));
  EXPECT_EQ(p.gate_up.x, 22);  // 64 hidden columns each
  EXPECT_EQ(p.down.x, 32);
  EXPECT_EQ(p.gate_up.y, (32768 + 128 * 127) / 128);
  EXPECT_EQ(p.down.y, p.gate_up.y);
  EXPECT_EQ(p.combine.x, 4096);
}

TEST(MoePlan, ScratchIsWhatTheExtentsSay) {
  const int64_t slots = int64_t{4096} * 8;
  const ExpertsPlan hf = plan_experts(experts(4096)), once = plan_experts(experts(4096, Rounding::once));
  EXPECT_EQ(hf.bytes, hf.align.bytes + size_t(slots * 1408 * 2 + slots * 4096 * 2));
  EXPECT_EQ(once.bytes, once.align.bytes + size_t(slots * 1408 * 6 + slots * 4096 * 4));
  EXPECT_EQ(once.pieces, 3);
  for (const size_t at : {hf.hidden_at, hf.outputs_at, hf.align.tiles_at, hf.align.counts_at}) EXPECT_EQ(at % 256, 0u);
  for (int64_t t = 5; t < 3000; t += 131) {
    EXPECT_LT(plan_experts(experts(t)).bytes, plan_experts(experts(t + 131)).bytes) << t;
  }
}

TEST(MoePlan, AlignmentIsOneLaunchUpToItsLimit) {
  EXPECT_EQ(plan_align(kOneLaunchSlots, 128, 64).blocks, 1);
  const AlignPlan more = plan_align(kOneLaunchSlots + 1, 128, 64);
  EXPECT_EQ(more.blocks, 5);
  EXPECT_GE(more.blocks * more.chunk, kOneLaunchSlots + 1);
  EXPECT_EQ(more.bytes - more.counts_at, size_t{5} * 128 * 4);
  EXPECT_LE(plan_align(kOneLaunchSlots, kMaxExperts, 64).shared_bytes, size_t{40} << 10);  // needs no opt-in
}

TEST(MoePlan, UnsupportedExpertsAreNamed) {
  const auto rule = [](void (*change)(ExpertsProblem&)) {
    ExpertsProblem p = experts(9);
    change(p);
    const ExpertsPlan plan = plan_experts(p);
    EXPECT_EQ(plan.path, ExpertsPath::naive);
    return std::string(plan.rule);
  };
  EXPECT_EQ(rule([](ExpertsProblem& p) { p.activation = DType::f32; }), "activations are not bf16");
  const char* const format = "experts are neither plain bf16 nor FP8 with a scale per row";
  EXPECT_EQ(rule([](ExpertsProblem& p) { p.format = Format::fp8_per_row; }), format);
  EXPECT_EQ(rule([](ExpertsProblem& p) { p.weight = DType::f16; }), format);
  EXPECT_EQ(rule([](ExpertsProblem& p) { p.format = Format::fp8_per_row, p.weight = DType::f8e4m3, p.ffn = 1400; }),
            "H or F of FP8 experts is not a multiple of 16");
  EXPECT_EQ(rule([](ExpertsProblem& p) { p.width = 4100; }), "H or F is not a multiple of 8");
  EXPECT_EQ(rule([](ExpertsProblem& p) { p.ffn = 1410; }), "H or F is not a multiple of 8");
  EXPECT_EQ(rule([](ExpertsProblem& p) { p.experts = 257; }), "more than 256 experts");
  EXPECT_EQ(rule([](ExpertsProblem& p) { p.k = 129; }), "more experts per token than there are");
  EXPECT_EQ(rule([](ExpertsProblem& p) { p.aligned = false; }), "a row is not aligned to 16 bytes");
}

TEST(MoePlan, TooManyTokensAreAnError) {
  EXPECT_THROW(plan_experts(experts(int64_t{1} << 40)), Error);
  EXPECT_THROW(plan_experts(experts(int64_t{1} << 24)), Error);  // counted, but no grid has so many rows
  EXPECT_THROW(plan_route(route(int64_t{1} << 40)), Error);
}

TEST(MoePlan, RouterPaths) {
  EXPECT_EQ(plan_route(route(1)).path, RoutePath::dots);
  EXPECT_EQ(plan_route(route(1)).tokens_per_warp, 1);
  EXPECT_EQ(plan_route(route(1)).logits.x, 32);
  EXPECT_EQ(plan_route(route(64)).logits.y, 16);
  const RoutePlan tiles = plan_route(route(8192));
  EXPECT_EQ(tiles.path, RoutePath::tiles);
  EXPECT_EQ(tiles.logits.x, 1);
  EXPECT_EQ(tiles.logits.y, 128);
  EXPECT_EQ(tiles.choose.x, 2048);
  RouteProblem f32 = route(8192);
  f32.activation = DType::f32;
  EXPECT_EQ(plan_route(f32).path, RoutePath::dots);
  EXPECT_STREQ(plan_route(f32).rule, "f32 operands");
}

TEST(MoePlan, UnsupportedRoutersAreNamed) {
  const auto rule = [](void (*change)(RouteProblem&)) {
    RouteProblem p = route(9);
    change(p);
    const RoutePlan plan = plan_route(p);
    EXPECT_EQ(plan.path, RoutePath::naive);
    return std::string(plan.rule);
  };
  EXPECT_EQ(rule([](RouteProblem& p) { p.activation = DType::f64; }), "activations are neither f32 nor bf16");
  EXPECT_EQ(rule([](RouteProblem& p) { p.gate_format = Format::fp8_per_row; }), "the gate is quantised");
  EXPECT_EQ(rule([](RouteProblem& p) { p.gate = DType::f16; }), "the gate is neither f32 nor bf16");
  EXPECT_EQ(rule([](RouteProblem& p) { p.experts = 257; }), "more than 256 experts");
  EXPECT_EQ(rule([](RouteProblem& p) { p.groups = 64; }), "more than 32 groups");
  EXPECT_EQ(rule([](RouteProblem& p) { p.width = 4097; }), "H is not a multiple of 8");
  EXPECT_EQ(rule([](RouteProblem& p) { p.aligned = false; }), "a row is not aligned to 16 bytes");
}

}  // namespace
}  // namespace glmv::cuda_plan
