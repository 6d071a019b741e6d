// The kernels of cuda/wgmma/ on the emulator: what their planners let through, that the cases meet every tile, and that
// the bits do not depend on the order in which threads get their turn. ops_test compares them with the reference.
#include <gtest/gtest.h>

#include <set>

#include "cuda/plan/wgmma.h"
#include "reference/all_cases.h"
#include "reference/attention.h"
#include "reference/linear.h"
#include "reference/moe_experts.h"
#include "tests/cuda/orders.h"

namespace glmv {
namespace {

using cuda_plan::Device;
using cuda_plan::plan_linear_wgmma;

const Backend& rung() { return find_backend("cuda-wgmma-emulated"); }
const Device kEmulated = {4, 227 * cuda_plan::kKiB};

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
  LinearArgs codes = linear(128, 4096, 4096);
  codes.w.format = Format::fp8_per_row;
  codes.w.data.dtype = DType::f8e4m3;
  codes.w.scale.dtype = DType::f32;
  EXPECT_STREQ(plan_linear_wgmma(codes, h200).rule, "weights are quantised");
  EXPECT_STREQ(plan_linear_wgmma(linear(128, 64, 64), {108, 163 * cuda_plan::kKiB}).rule, "too little shared memory");
}

TEST(WgmmaPlan, LargeTilesWhereTheyFillTheDevice) {
  const auto large = plan_linear_wgmma(linear(8192, 14336, 4096), {}),
             small = plan_linear_wgmma(linear(256, 4096, 4096), {});
  EXPECT_EQ(large.tile.columns, 256);
  EXPECT_EQ(large.blocks, 64 * 56);
  EXPECT_EQ(large.steps, 64);
  EXPECT_EQ(large.shared_bytes, 193 * cuda_plan::kKiB);
  EXPECT_EQ(small.tile.columns, 128);
  EXPECT_EQ(small.blocks, 2 * 32);
  EXPECT_LE(small.shared_bytes, 227 * cuda_plan::kKiB);
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

bool attention_fits = false;
bool attention_takes(const Case& c) {
  OpTable table;
  table.attention.run = [](const AttentionArgs& a, Exec) {
    attention_fits = cuda_plan::plan_attention_wgmma(a, kEmulated).rule == nullptr;
  };
  CaseRun run(rung(), c.dtype, c.dtype, 1);
  c.build(run, table)({});
  return attention_fits;
}

/// Grouped products: which problems they take.
TEST(WgmmaPlan, TakesExpertsWithATileOfRows) {
  const auto rule = [](cuda_plan::ExpertsProblem p) {
    return cuda_plan::plan_experts_wgmma(p, cuda_plan::plan_experts(p), {}).rule;
  };
  const cuda_plan::ExpertsProblem many = {8192,        8,           128,           4096,         1408,
                                          DType::bf16, DType::bf16, Format::plain, Rounding::hf, true};
  EXPECT_EQ(rule(many), nullptr);
  cuda_plan::ExpertsProblem p = many;
  p.tokens = 1024;
  EXPECT_STREQ(rule(p), "experts have fewer rows than a tile");
  p = many;
  p.format = Format::fp8_per_row, p.weight = DType::f8e4m3;
  EXPECT_STREQ(rule(p), "experts are quantised");
  p = many;
  p.activation = DType::f32;
  EXPECT_NE(rule(p), nullptr);
  const auto w = cuda_plan::plan_experts_wgmma(many, cuda_plan::plan_experts(many), {});
  EXPECT_EQ(w.gate_up.x, 11);  // 1408 hidden columns, 128 at a time
  EXPECT_EQ(w.down.x, 16);     // 4096 columns, 256 at a time
  EXPECT_EQ(w.maps_bytes, size_t{3 * 128 * 128});
}

bool rows_fill_tiles = false;
TEST(WgmmaExperts, CasesMeetTheKernelsAndAnyOrderGivesTheSameBits) {
  OpTable table;
  table.moe_experts.run = [](const MoeExpertsArgs& a, Exec) {
    const Weight& gate = a.experts.gate[0];
    const cuda_plan::ExpertsProblem p = {a.x.dim[0], a.ids.dim[1],    a.experts.count, a.x.dim[1], gate.rows(),
                                         a.x.dtype,  gate.data.dtype, gate.format,     a.rounding, true};
    rows_fill_tiles = cuda_plan::plan_experts_wgmma(p, cuda_plan::plan_experts(p), kEmulated).rule == nullptr;
  };
  int64_t cases = 0;
  for (const Case& c : all_cases()) {
    if (!c.small || c.name.rfind("moe_experts/", 0) != 0) continue;
    CaseRun run(rung(), c.dtype, c.dtype, 1);
    c.build(run, table)({});
    if (!rows_fill_tiles) continue;
    ++cases;
    const std::string forward = bytes_of(c, simt::Order::forward, 0, rung());
    EXPECT_TRUE(forward == bytes_of(c, simt::Order::reverse, 0, rung())) << c.name << ", reverse order";
    EXPECT_TRUE(forward == bytes_of(c, simt::Order::random, 7, rung())) << c.name << ", random order";
  }
  EXPECT_GE(cases, 4);  // both shapes in both roundings
}

TEST(WgmmaPlan, TakesPrefillWithHeadsOf128) {
  for (const auto& [name, taken] : {std::pair{"attention/prefill_bf16_hf_T33_S33_B1_heads12_1_D128_page64", true},
                                    {"attention/vision_bf16_once_T24_S24_B1_heads3_3_D128_page1", true},
                                    {"attention/prefill_bf16_hf_T19_S19_B1_heads16_1_D64_page19", false},
                                    {"attention/decode_bf16_hf_T1_S65_B1_heads12_1_D128_page64", false},
                                    {"attention/prefill_f32_T33_S33_B1_heads12_1_D128_page64", false}})
    EXPECT_EQ(attention_takes(find_case(name)), taken) << name;
}

TEST(WgmmaAttention, CasesMeetTheKernelsAndAnyOrderGivesTheSameBits) {
  int64_t cases = 0;
  for (const Case& c : all_cases()) {
    if (!c.small || c.name.rfind("attention/", 0) != 0 || !attention_takes(c)) continue;
    ++cases;
    const std::string forward = bytes_of(c, simt::Order::forward, 0, rung());
    EXPECT_TRUE(forward == bytes_of(c, simt::Order::random, 7, rung())) << c.name << ", random order";
  }
  EXPECT_GE(cases, 10);
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
