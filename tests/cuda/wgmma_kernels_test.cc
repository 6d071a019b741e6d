// The kernels of cuda/wgmma/ on the emulator: what their planners let through, that the cases meet every tile, and that
// the bits do not depend on the order in which threads get their turn. ops_test compares them with the reference.
#include <gtest/gtest.h>

#include <set>

#include "cuda/plan/wgmma.h"
#include "reference/all_cases.h"
#include "reference/linear.h"
#include "tests/cuda/orders.h"

namespace glmv {
namespace {

using cuda_plan::Device;
using cuda_plan::plan_linear_wgmma;

const Backend& rung() { return find_backend("cuda-wgmma-emulated"); }
const Device kEmulated = {4, size_t{227} * 1024};

void* at(uintptr_t offset) { return reinterpret_cast<void*>(uintptr_t{1} << 20 | offset); }

LinearArgs linear(int64_t tokens, int64_t n, int64_t k) {
  LinearArgs a;
  a.x = make_view(at(0), DType::bf16, {tokens, k}, Space::cuda);
  a.w.data = make_view(at(64), DType::bf16, {n, k}, Space::cuda);
  a.out = make_view(at(128), DType::bf16, {tokens, n}, Space::cuda);
  return a;
}

TEST(WgmmaPlan, TakesManyTokensOfWhatTensorLoadsCanRead) {
  const Device h200;
  EXPECT_EQ(plan_linear_wgmma(linear(128, 4096, 4096), h200).rule, nullptr);
  EXPECT_STREQ(plan_linear_wgmma(linear(127, 4096, 4096), h200).rule, "fewer tokens than a tile has rows");
  EXPECT_NE(plan_linear_wgmma(linear(128, 4096, 4095), h200).rule, nullptr);
  LinearArgs a = linear(128, 64, 64);
  a.x.stride[0] = 68;  // rows that do not begin at multiples of 16 bytes
  EXPECT_NE(plan_linear_wgmma(a, h200).rule, nullptr);
  EXPECT_STREQ(plan_linear_wgmma(linear(128, 64, 64), {108, 163 * 1024}).rule, "too little shared memory");
}

TEST(WgmmaPlan, LargeTilesWhereTheyFillTheDevice) {
  const auto large = plan_linear_wgmma(linear(8192, 14336, 4096), {}),
             small = plan_linear_wgmma(linear(256, 4096, 4096), {});
  EXPECT_EQ(large.tile.columns, 256);
  EXPECT_EQ(large.blocks, 64 * 56);
  EXPECT_EQ(large.steps, 64);
  EXPECT_EQ(large.shared_bytes, size_t{192} * 1024 + 1024);
  EXPECT_EQ(small.tile.columns, 128);
  EXPECT_EQ(small.blocks, 2 * 32);
  EXPECT_LE(small.shared_bytes, size_t{227} * 1024);
}

bool takes(const Case& c, std::set<int>& tiles) {
  OpTable table;
  static int columns = 0;
  columns = 0;
  table.linear.run = [](const LinearArgs& a, Exec) {
    const auto p = plan_linear_wgmma(a, kEmulated);
    if (p.rule == nullptr) columns = p.tile.columns;
  };
  CaseRun run(rung(), c.dtype, c.dtype, 1);
  c.build(run, table)({});
  if (columns != 0) tiles.insert(columns);
  return columns != 0;
}

/// Otherwise a planner that refuses more would take the kernels out of every test without a sound.
TEST(WgmmaLinear, CasesMeetEveryTileAndAnyOrderGivesTheSameBits) {
  std::set<int> tiles;
  int64_t cases = 0;
  for (const Case& c : all_cases()) {
    if (!c.small || c.name.rfind("linear/", 0) != 0 || !takes(c, tiles)) continue;
    ++cases;
    const std::string forward = bytes_of(c, simt::Order::forward, 0, rung());
    EXPECT_TRUE(forward == bytes_of(c, simt::Order::reverse, 0, rung())) << c.name << ", reverse order";
    EXPECT_TRUE(forward == bytes_of(c, simt::Order::random, 7, rung())) << c.name << ", random order";
  }
  EXPECT_EQ(tiles, (std::set<int>{128, 256}));
  EXPECT_GE(cases, 12);
}

TEST(WgmmaBackend, IsAbsentWhereTheDeviceIsNoHopper) {
  for (const Backend* b : linked_backends()) {
    if (b->name != "cuda-wgmma") continue;
    const std::string why = absence(*b);
    if (!why.empty()) std::cout << "skipped: cuda-wgmma on a device (" << why << ")\n";
    EXPECT_EQ(why.find('\n'), std::string::npos);
  }
  EXPECT_EQ(absence(rung()), "");
  EXPECT_NE(rung().ops.linear.run, emulated().ops.linear.run);
}

}  // namespace
}  // namespace glmv
