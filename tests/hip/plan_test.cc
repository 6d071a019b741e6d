// What the planners decide, without a device.
#include <gtest/gtest.h>

#include <set>

#include "hip/plan/attention.h"
#include "hip/plan/device.h"
#include "hip/plan/linear.h"
#include "hip/plan/moe_plan.h"

namespace glmv::hip_plan {
namespace {

const Device kMi300x;                                          // the defaults
const Device kMi250 = {104, size_t{64} * 1024, 1, 64, true};   // one of its two dies
const Device kRadeon = {96, size_t{64} * 1024, 1, 32, false};  // waves of 32

TEST(Device, MatrixInstructionsGoByTheTarget) {
  for (const char* target : {"gfx90a", "gfx90a:sramecc+:xnack-", "gfx940", "gfx942:sramecc+"})
    EXPECT_TRUE(has_mfma(target)) << target;
  for (const char* target : {"gfx906", "gfx908", "gfx1100", "gfx90", ""}) EXPECT_FALSE(has_mfma(target)) << target;
  EXPECT_EQ(dies_of("gfx942:sramecc+"), 8);
  EXPECT_EQ(dies_of("gfx90a"), 1);
}

/// x [tokens, k] and w [n, k] of bf16 that nobody reads.
LinearArgs linear_of(int64_t tokens, int64_t n, int64_t k) {
  static const uint64_t memory[2] alignas(16) = {};
  LinearArgs a;
  a.x = make_view(static_cast<const void*>(memory), DType::bf16, {tokens, k});
  a.w.data = make_view(static_cast<const void*>(memory), DType::bf16, {n, k});
  a.out = make_view(const_cast<uint64_t*>(memory), DType::bf16, {tokens, n});
  return a;
}

TEST(Linear, PathsAndTilesOfTheModel) {
  EXPECT_EQ(plan_linear(linear_of(1, 14336, 4096), kMi300x).path, LinearPath::gemv);
  EXPECT_EQ(plan_linear(linear_of(1, 14336, 4096), kRadeon).path, LinearPath::gemv);
  EXPECT_EQ(plan_linear(linear_of(2, 14336, 4096), kRadeon).path, LinearPath::naive);
  EXPECT_EQ(plan_linear(linear_of(64, 14336, 4096), kMi300x).path, LinearPath::skinny);
  EXPECT_EQ(plan_linear(linear_of(65, 14336, 4096), kMi300x).path, LinearPath::dense);
  EXPECT_EQ(plan_linear(linear_of(8192, 14336, 4096), kMi300x).tile.tokens, kDenseLarge.tokens);
  EXPECT_EQ(plan_linear(linear_of(1024, 4096, 12288), kMi300x).tile.tokens, kDenseMedium.tokens);
  EXPECT_EQ(plan_linear(linear_of(100, 1408, 4096), kMi300x).tile.tokens, kDenseSmall.tokens);
}

TEST(Linear, SlicesOfKCoverItAndNoneIsEmpty) {
  for (const Device& device : {kMi300x, kMi250}) {
    for (int64_t tokens : {2, 16, 17, 40, 64}) {
      for (int64_t n : {128, 1408, 4096, 14336}) {
        for (int64_t k : {8, 64, 1408, 4096, 12288}) {
          const LinearPlan p = plan_linear(linear_of(tokens, n, k), device);
          ASSERT_GE(int64_t{p.splits} * p.split_columns, k);
          ASSERT_LT(int64_t{p.splits - 1} * p.split_columns, k);
          ASSERT_EQ(p.split_columns % kSkinnyStep, 0);
          ASSERT_EQ(p.scratch_bytes, p.splits > 1 ? static_cast<size_t>(p.splits * tokens * n * 4) : 0u);
          ASSERT_EQ(plan_linear(linear_of(tokens, n, k), device, false).splits, 1);
        }
      }
    }
  }
}

/// Every tile once, and a die's tiles are neighbours.
TEST(Linear, TheOrderOfTilesIsAPermutation) {
  for (int dies : {1, 6, 8}) {
    for (int rows : {1, 5, 8, 19}) {
      for (int columns : {1, 3, 7}) {
        const TileOrder order = {rows, columns, dies};
        std::set<std::pair<int, int>> seen;
        for (int block = 0; block < rows * columns; ++block) {
          const TileOrder::Place p = order.at(block);
          ASSERT_TRUE(p.row >= 0 && p.row < rows && p.column >= 0 && p.column < columns);
          ASSERT_TRUE(seen.insert({p.row, p.column}).second) << dies << ' ' << rows << ' ' << columns;
        }
      }
    }
  }
}

TEST(Attention, EveryTileBelongsToTheSequenceThatItIsFirstOf) {
  const int32_t cu_seqlens[] = {0, 5, 5, 12, 40};
  for (const RowTiles tiling : {RowTiles{12, 64}, {16, 16}, {12, 128}, {1, 64}}) {
    for (int tile = 0; tile < tiling.first(40, 4); ++tile) {
      const int s = tiling.sequence_of(tile, cu_seqlens, 4);
      ASSERT_LE(tiling.first(cu_seqlens[s], s), tile);
      ASSERT_GT(tiling.first(cu_seqlens[s + 1], s + 1), tile);
    }
  }
}

TEST(Attention, SharesOfSplitsCoverTheKeysInOrder) {
  for (int keys : {0, 1, 127, 128, 129, 5000}) {
    for (int splits : {1, 2, 7, 64}) {
      int end = 0;
      for (int s = 0; s < splits; ++s) {
        const KeyRange share = split_share(keys, splits, s);
        ASSERT_EQ(share.begin, end);
        ASSERT_GE(share.end, share.begin);
        end = share.end;
      }
      ASSERT_EQ(end, keys);
    }
  }
}

ExpertsProblem experts_of(int64_t tokens) {
  return {tokens, 8, 128, 4096, 1408, DType::bf16, DType::bf16, Format::plain, Rounding::hf, true};
}

TEST(Experts, WithoutMatrixInstructionsOnlyFewTokensAreTuned) {
  EXPECT_EQ(plan_experts(experts_of(1), kRadeon).path, ExpertsPath::decode);
  EXPECT_EQ(plan_experts(experts_of(100), kRadeon).path, ExpertsPath::naive);
  EXPECT_EQ(plan_experts(experts_of(100), kMi300x).path, ExpertsPath::grouped);
}

/// Hidden vectors of a token's experts and the table of them share the LDS of a compute unit.
TEST(Experts, LdsIsEnough) {
  const ExpertsPlan p = plan_experts(experts_of(4), kMi300x);
  EXPECT_EQ(p.path, ExpertsPath::decode);
  EXPECT_LE(p.decode_shared_bytes + size_t{12} * kMaxExperts + 16, kMi300x.lds_bytes);
  EXPECT_LE(kMaxDecodeShared + size_t{12} * kMaxExperts + 16, kMi300x.lds_bytes);
  for (const Device& device : {kMi300x, kRadeon}) {
    const AlignPlan align = plan_align(kOneLaunchSlots, kMaxExperts, 32, device);
    EXPECT_LE(align.shared_bytes + (3 * kMaxExperts + 2) * sizeof(int32_t), device.lds_bytes);
  }
}

TEST(Route, TilesNeedMatrixInstructions) {
  const RouteProblem p = {100, 8, 128, 4096, 1, DType::bf16, DType::bf16, Format::plain, true};
  EXPECT_EQ(plan_route(p, kMi300x).path, RoutePath::tiles);
  EXPECT_EQ(plan_route(p, kRadeon).path, RoutePath::dots);
}

}  // namespace
}  // namespace glmv::hip_plan
