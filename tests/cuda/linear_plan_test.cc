// Which kernel runs a linear, in which tiles, on how many blocks, with how much memory. No device is needed.
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "cuda/plan/linear.h"
#include "cuda/plan/swizzle.h"

namespace glmv::cuda_plan {
namespace {

constexpr Device kH200 = {132, 227 * kKiB};
constexpr Device kA100 = {108, 163 * kKiB};

/// A linear whose tensors are nowhere: an address that is only looked at.
struct Linear {
  LinearArgs args;

  Linear(int64_t tokens, int64_t n, int64_t k, DType out = DType::bf16) {
    args.x = make_view(at(0), DType::bf16, {tokens, k}, Space::cuda);
    args.w.data = make_view(at(64), DType::bf16, {n, k}, Space::cuda);
    args.out = make_view(at(128), out, {tokens, n}, Space::cuda);
  }
  static void* at(uintptr_t offset) { return reinterpret_cast<void*>(uintptr_t{1} << 20 | offset); }
  LinearPlan plan(const Device& d = kH200) const { return plan_linear(args, d); }
};

TEST(LinearPlan, PathFollowsTheNumberOfTokens) {
  EXPECT_EQ(Linear(1, 4096, 4096).plan().path, LinearPath::gemv);
  EXPECT_EQ(Linear(2, 4096, 4096).plan().path, LinearPath::skinny);
  EXPECT_EQ(Linear(64, 4096, 4096).plan().path, LinearPath::skinny);
  EXPECT_EQ(Linear(65, 4096, 4096).plan().path, LinearPath::dense);
  EXPECT_EQ(Linear(0, 4096, 4096).plan().path, LinearPath::naive);
  EXPECT_EQ(Linear(5, 0, 4096).plan().path, LinearPath::naive);
}

TEST(LinearPlan, WhatTheTunedKernelsCannotReadGoesToTheNaiveRung) {
  const auto naive = [](auto change) {
    Linear l(7, 64, 64);
    change(l.args);
    return l.plan().path == LinearPath::naive;
  };
  EXPECT_FALSE(naive([](LinearArgs&) {}));
  EXPECT_TRUE(naive([](LinearArgs& a) { a.x.dtype = DType::f32; }));
  EXPECT_TRUE(naive([](LinearArgs& a) { a.w.data.dtype = DType::f32; }));
  EXPECT_TRUE(naive([](LinearArgs& a) { a.w.data.dtype = DType::f16; }));
  EXPECT_TRUE(naive([](LinearArgs& a) { a.w.format = Format::fp8_per_row; }));
  EXPECT_TRUE(naive([](LinearArgs& a) { a.x.data = Linear::at(2); }));
  EXPECT_TRUE(naive([](LinearArgs& a) { a.w.data.data = Linear::at(8); }));
  EXPECT_TRUE(naive([](LinearArgs& a) { a.x.stride[0] = 68; }));
  EXPECT_TRUE(naive([](LinearArgs& a) { a.x.dim[1] = a.w.data.dim[1] = 60; }));
  EXPECT_TRUE(naive([](LinearArgs& a) { a.x.dim[1] = a.w.data.dim[1] = 0; }));
  EXPECT_TRUE(naive([](LinearArgs& a) { a.bias = make_view(Linear::at(0), DType::f16, {64}, Space::cuda); }));
  EXPECT_FALSE(naive([](LinearArgs& a) { a.bias = make_view(Linear::at(2), DType::bf16, {64}, Space::cuda); }));
  EXPECT_FALSE(naive([](LinearArgs& a) { a.x.stride[0] = 72; }));
  EXPECT_FALSE(naive([](LinearArgs& a) { a.out.data = Linear::at(2); }));
}

TEST(LinearPlan, CodesHaveKernelsOfTheirOwn) {
  const auto planned = [](int64_t tokens, auto change) {
    Linear l(tokens, 64, 64);
    l.args.w.format = Format::fp8_per_row;
    l.args.w.data = make_view(Linear::at(64), DType::f8e4m3, {64, 64}, Space::cuda);
    l.args.w.scale = make_view(Linear::at(192), DType::f32, {64, 1}, Space::cuda);
    change(l.args);
    return l.plan();
  };
  const auto nothing = [](LinearArgs&) {};
  EXPECT_EQ(planned(1, nothing).path, LinearPath::codes_few);
  EXPECT_EQ(planned(4, nothing).path, LinearPath::codes_few);
  EXPECT_EQ(planned(5, nothing).path, LinearPath::codes_tiles);
  for (const auto& [tokens, rows] : {std::pair{16, 16}, {17, 64}, {127, 64}, {128, 128}})
    EXPECT_EQ(planned(tokens, nothing).tile.rows, rows) << tokens;
  EXPECT_EQ(planned(129, nothing).blocks, 2);
  for (int64_t tokens : {1, 7}) {
    EXPECT_EQ(planned(tokens, [](LinearArgs& a) { a.w.data.data = Linear::at(8); }).path, LinearPath::naive);
    EXPECT_EQ(planned(tokens, [](LinearArgs& a) { a.w.data.stride[0] = 72; }).path, LinearPath::naive);
    EXPECT_EQ(planned(tokens, [](LinearArgs& a) { a.x.dim[1] = a.w.data.dim[1] = 40; }).path, LinearPath::naive);
    EXPECT_EQ(planned(tokens, [](LinearArgs& a) { a.w.scale.dtype = DType::bf16; }).path, LinearPath::naive);
    EXPECT_EQ(planned(tokens, [](LinearArgs& a) { a.x.dtype = DType::f32; }).path, LinearPath::naive);
  }
  EXPECT_THROW(planned(65536 * 128, nothing), Error);
}

TEST(LinearPlan, WideStoresNeedWholeAlignedGroups) {
  EXPECT_TRUE(Linear(7, 64, 64).plan().wide_stores);
  EXPECT_TRUE(Linear(7, 64, 64, DType::f32).plan().wide_stores);
  EXPECT_FALSE(Linear(7, 60, 64).plan().wide_stores);
  Linear l(7, 64, 64);
  l.args.out.stride[0] = 66;
  EXPECT_FALSE(l.plan().wide_stores);
  l = Linear(7, 64, 64);
  l.args.out.data = Linear::at(8);
  EXPECT_FALSE(l.plan().wide_stores);
}

TEST(LinearPlan, SkinnyTilesHoldTheTokens) {
  for (const auto& [tokens, tile] : {std::pair{2, 8}, {8, 8}, {9, 16}, {17, 32}, {32, 32}, {33, 64}, {64, 64}})
    EXPECT_EQ(Linear(tokens, 4096, 4096).plan().tile.columns, tile) << tokens;
}

TEST(LinearPlan, SplitsFillTheDeviceAndNoMore) {
  EXPECT_EQ(Linear(8, 14336, 4096).plan().splits, 1);   // 224 blocks
  EXPECT_EQ(Linear(8, 151552, 4096).plan().splits, 1);  // lm_head: 2368
  const LinearPlan o = Linear(8, 4096, 12288).plan();   // o_proj: 64 blocks, five slices give each multiprocessor two
  EXPECT_EQ(o.blocks, 64);
  EXPECT_EQ(o.splits, 5);
  EXPECT_EQ(o.steps_per_split, 39);
  EXPECT_EQ(o.scratch_bytes, size_t{5} * 8 * 4096 * 4);
  EXPECT_EQ(Linear(8, 4096, 12288).plan(kA100).splits, 4);
  EXPECT_EQ(Linear(64, 14336, 4096).plan().splits, 1);  // 112 large tiles are enough
  EXPECT_EQ(Linear(64, 4096, 12288).plan().splits, 5);  // 32 large tiles, one slice per multiprocessor
  EXPECT_EQ(Linear(64, 4096, 4096).plan().splits, 4);   // more would be mostly sums
  EXPECT_EQ(Linear(8, 128, 256).plan().splits, 1);      // four steps are one pipeline
}

TEST(LinearPlan, SlicesCoverKOnceAndNoneIsEmpty) {
  for (int64_t tokens : {2, 9, 33, 64}) {
    for (int64_t k = 8; k < 20000; k += 328) {
      const LinearPlan p = Linear(tokens, 512, k).plan();
      const int64_t steps = ceil_div(k, p.tile.depth);
      EXPECT_GE(int64_t{p.splits} * p.steps_per_split, steps) << k;
      EXPECT_LT(int64_t{p.splits - 1} * p.steps_per_split, steps) << k;
      EXPECT_EQ(p.scratch_bytes, p.splits == 1 ? 0 : static_cast<size_t>(p.splits * tokens) * 512 * 4);
      EXPECT_LE(8 * tokens * (p.splits == 1 ? 0 : p.splits), k / 2) << k;
    }
  }
}

TEST(LinearPlan, LargeTilesWhereTheyFillTheDevice) {
  EXPECT_EQ(Linear(8192, 14336, 4096).plan().tile.rows, 128);
  EXPECT_EQ(Linear(8192, 14336, 4096).plan().blocks, 64 * 112);
  EXPECT_EQ(Linear(65, 4096, 4096).plan().tile.rows, 64);  // 32 large tiles
  EXPECT_EQ(Linear(65, 4096, 4096).plan().blocks, 2 * 64);
  EXPECT_EQ(Linear(130, 136, 328).plan().tile.rows, 64);
  EXPECT_EQ(Linear(130, 136, 328).plan({4, 227 * kKiB}).tile.rows, 128);  // as on the emulator
}

TEST(LinearPlan, SharedMemoryFitsTwiceFromSm80On) {
  for (const Tile& t : {kDenseLarge, kDenseSmall, skinny_tile(8), skinny_tile(16), skinny_tile(32), skinny_tile(64)})
    EXPECT_LE(2 * (t.shared_bytes() + 1024), size_t{164} * 1024) << t.rows << ' ' << t.columns;
  EXPECT_EQ(kDenseLarge.shared_bytes(), size_t{64} * 1024);
  EXPECT_EQ(kDenseSmall.shared_bytes(), size_t{48} * 1024);
  EXPECT_EQ(Linear(1, 64, 64).plan().shared_bytes, 0u);
}

TEST(LinearPlan, RefusalsHaveNames) {
  const auto message = [](const Linear& l, const Device& d) -> std::string {
    try {
      l.plan(d);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(message(Linear(100, 64, 64), {4, 32 * kKiB}).find("needs 49152 bytes of shared memory"), std::string::npos);
  EXPECT_NE(message(Linear(int64_t{1} << 31, 64, 64), kH200).find("extent beyond"), std::string::npos);
  EXPECT_NE(message(Linear(1 << 30, 1 << 30, 64), kH200).find("more than a grid"), std::string::npos);
}

TEST(TileOrder, TakesEveryTileOnceInGroupsThatShareColumns) {
  for (const auto& [rows, columns] : {std::pair{1, 1}, {3, 5}, {8, 4}, {9, 7}, {23, 2}}) {
    const TileOrder order = {rows, columns};
    std::set<std::pair<int, int>> seen;
    for (int i = 0; i < rows * columns; ++i) {
      const TileOrder::Place p = order.at(i);
      EXPECT_TRUE(p.row >= 0 && p.row < rows && p.column >= 0 && p.column < columns);
      EXPECT_TRUE(seen.insert({p.row, p.column}).second);
    }
  }
  const TileOrder order = {64, 112};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(order.at(i).column, 0);
  EXPECT_EQ(order.at(8).column, 1);
  EXPECT_EQ(order.at(8).row, 0);
  EXPECT_EQ(order.at(8 * 112).row, 8);
}

/// The eight rows of one matrix lie at eight places modulo 128 bytes, for every chunk.
template <class Rule, int Chunks>
void expect_no_conflicts(const std::vector<int>& rows, const char* what) {
  for (int chunk = 0; chunk < Chunks; ++chunk) {
    std::set<int> banks;
    for (int row : rows) banks.insert(chunk_place<Rule, Chunks>(row, chunk) / 8 % 8);
    EXPECT_EQ(banks.size(), 8u) << what << " row " << rows[0] << " chunk " << chunk << " of " << Chunks;
  }
}
template <class Rule, int Chunks>
void expect_a_permutation(const char* what) {
  std::set<int> places;
  for (int row = 0; row < 128; ++row) {
    for (int chunk = 0; chunk < Chunks; ++chunk) places.insert(chunk_place<Rule, Chunks>(row, chunk));
  }
  EXPECT_EQ(places.size(), static_cast<size_t>(128 * Chunks)) << what;
  EXPECT_EQ(*places.rbegin(), 8 * (128 * Chunks - 1)) << what;
}

TEST(Swizzle, SpreadsTheRowsOfAMatrixOverAllBanks) {
  for (int r = 0; r < 64; r += 32) {
    for (int j = 0; j < 4; ++j) {
      const int a = r + 8 * j, b = r + 2 * j;
      const std::vector<int> neighbours = {a, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7};
      const std::vector<int> pairs = {b, b + 1, b + 8, b + 9, b + 16, b + 17, b + 24, b + 25};
      expect_no_conflicts<Neighbours, 4>(neighbours, "neighbours");
      expect_no_conflicts<Neighbours, 8>(neighbours, "neighbours");
      expect_no_conflicts<Pairs, 4>(pairs, "pairs");
      expect_no_conflicts<Pairs, 8>(pairs, "pairs");
    }
    for (int half = 0; half < 2; ++half) {
      const int a = r + half;
      expect_no_conflicts<EverySecond, 8>({a, a + 2, a + 4, a + 6, a + 8, a + 10, a + 12, a + 14}, "every second");
    }
  }
}

TEST(Swizzle, ExchangesChunksWithinARow) {
  expect_a_permutation<Neighbours, 4>("neighbours");
  expect_a_permutation<Neighbours, 8>("neighbours");
  expect_a_permutation<Pairs, 4>("pairs");
  expect_a_permutation<Pairs, 8>("pairs");
  expect_a_permutation<EverySecond, 8>("every second");
}

}  // namespace
}  // namespace glmv::cuda_plan
