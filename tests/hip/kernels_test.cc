// The tuned kernels on the emulator: the result must not depend on the order in which threads get their turn, to the
// last bit; waves of 32 give right results too; and every kernel is met by a case.
#include <gtest/gtest.h>

#include <set>

#include "hip/plan/attention.h"
#include "hip/plan/moe_plan.h"
#include "reference/all_cases.h"
#include "reference/attention.h"
#include "reference/moe_experts.h"
#include "tests/hip/large_linear.h"
#include "tests/hip/orders.h"

namespace glmv {
namespace {

/// Ops whose kernels exchange values between threads; the rest has nothing that an order could change.
bool exchanges(const Case& c) {
  return is_of(
      c, {"linear", "attention", "moe_route", "moe_experts", "rmsnorm", "fused_add_rmsnorm", "layernorm", "sample"});
}

TEST(Orders, EveryCaseGivesTheSameBits) {
  int64_t cases = 0;
  for (const Case& c : all_cases()) {
    if (!c.small || !exchanges(c) || c.dtype != DType::bf16) continue;
    const std::string forward = bytes_of(c, simt::Order::forward, 0);
    EXPECT_TRUE(forward == bytes_of(c, cases % 2 == 0 ? simt::Order::reverse : simt::Order::random, 7)) << c.name;
    ++cases;
  }
  EXPECT_GT(cases, 100);
}

/// Exit code 5 and one line that says why.
TEST(Device, WithoutOneTheBackendIsAbsent) {
  for (const Backend* b : linked_backends()) {
    if (b->space != Space::hip || absence(*b).empty()) continue;
    try {
      find_backend(b->name);
      FAIL() << b->name;
    } catch (const Error& e) {
      const std::string what = e.what();
      EXPECT_EQ(e.code(), ExitCode::no_device);
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
      EXPECT_NE(what.find("no HIP device"), std::string::npos) << what;
    }
  }
}

/// A device of waves of 32 has no matrix instructions: kernels that need none run at that width, the rest is the plain
/// rung's, which has been run already.
TEST(Wave32, EveryCaseOfAKernelOfAnyWidthIsRight) {
  const simt::ScopedSettings saved;
  simt::settings().warp_width = 32;
  int64_t cases = 0;
  for (const Case& c : all_cases()) {
    if (!c.small) continue;
    const bool one_token = c.name.find("_T1_") != std::string::npos || c.name.find("_T4_") != std::string::npos;
    const bool any_width = is_of(c, {"moe_route", "rmsnorm", "fused_add_rmsnorm", "layernorm", "sample"});
    if (!any_width && !(one_token && is_of(c, {"linear", "moe_experts"}))) continue;
    const CaseReport r = run_case(c, cpu_backend(), emulated(), 1);
    EXPECT_EQ(r.status, CaseReport::Status::passed) << r.failures();
    ++cases;
  }
  EXPECT_GT(cases, 60);
}

/// Otherwise an allocator that aligns less, or a planner that refuses more, would take the tuned kernels out of every
/// test without a sound.
TEST(Paths, CasesMeetEveryKernelOfLinear) {
  static std::set<std::pair<hip_plan::LinearPath, int>> met;
  OpTable table;
  table.linear.run = [](const LinearArgs& a, Exec) {
    const hip_plan::LinearPlan p = hip_plan::plan_linear(a, kEmulatedDevice);
    met.insert({p.path, p.splits > 1 ? -p.tile.tokens : p.tile.tokens});
  };
  for (const Case& c : all_cases()) {
    if (!c.small || !is_of(c, {"linear"})) continue;
    CaseRun run(emulated(), c.dtype, c.dtype, 1);
    c.build(run, table)({});
  }
  using hip_plan::LinearPath;
  for (const auto& [path, tokens] : {std::pair{LinearPath::naive, 0},
                                     {LinearPath::gemv, 0},
                                     {LinearPath::skinny, 16},
                                     {LinearPath::skinny, 32},
                                     {LinearPath::skinny, 64},
                                     {LinearPath::skinny, -16},
                                     {LinearPath::skinny, -64},
                                     {LinearPath::dense, 64},
                                     {LinearPath::dense, 128}})
    EXPECT_TRUE(met.count({path, tokens})) << name_of(path) << " with " << tokens << " tokens";
}

TEST(Paths, CasesMeetBothAttentionKernels) {
  static std::set<std::pair<hip_plan::AttentionPath, int>> met;
  OpTable table;
  table.attention.run = [](const AttentionArgs& a, Exec) {
    const hip_plan::AttentionPlan p = hip_plan::plan_attention(a, kEmulatedDevice);
    met.insert({p.path, p.path == hip_plan::AttentionPath::decode ? std::min(p.splits, 2) : p.tile_blocks});
  };
  for (const Case& c : all_cases()) {
    if (!c.small || !is_of(c, {"attention"})) continue;
    CaseRun run(emulated(), c.dtype, c.dtype, 1);
    c.build(run, table)({});
  }
  using hip_plan::AttentionPath;
  for (const auto& [path, kind] : {std::pair{AttentionPath::prefill, 1},
                                   {AttentionPath::prefill, hip_plan::kLargeTile},
                                   {AttentionPath::decode, 1},
                                   {AttentionPath::decode, 2}})
    EXPECT_TRUE(met.count({path, kind})) << static_cast<int>(path) << ' ' << kind;
}

TEST(Paths, CasesMeetEveryKernelOfTheExperts) {
  static std::set<std::pair<hip_plan::ExpertsPath, int>> met;
  OpTable table;
  table.moe_experts.run = [](const MoeExpertsArgs& a, Exec) {
    const Weight& gate = a.experts.gate[0];
    const hip_plan::ExpertsPlan p =
        hip_plan::plan_experts({a.x.dim[0], a.ids.dim[1], a.experts.count, a.x.dim[1], gate.rows(), a.x.dtype,
                                gate.data.dtype, gate.format, a.rounding, true},
                               kEmulatedDevice);
    met.insert({p.path, p.align.tile_rows});
  };
  for (const Case& c : all_cases()) {
    if (!c.small || !is_of(c, {"moe_experts"})) continue;
    CaseRun run(emulated(), c.dtype, c.dtype, 1);
    c.build(run, table)({});
  }
  using hip_plan::ExpertsPath;
  for (const auto& [path, rows] : {std::pair{ExpertsPath::naive, 0},
                                   {ExpertsPath::decode, 0},
                                   {ExpertsPath::grouped, hip_plan::kFewRows.rows},
                                   {ExpertsPath::grouped, hip_plan::kSomeRows.rows},
                                   {ExpertsPath::grouped, hip_plan::kManyRows.rows}})
    EXPECT_TRUE(met.count({path, rows})) << static_cast<int>(path) << " with tiles of " << rows;
}

/// Four steps, the last a part of one, so that the two groups of waves change places more than once.
TEST(Linear, TheLargeTileIsRightInAnyOrder) {
  for (const simt::Order order : {simt::Order::forward, simt::Order::reverse, simt::Order::random}) {
    expect_large_tile_right(260, 520, 200, order);
  }
  expect_large_tile_right(70, 520, 8, simt::Order::forward);
}

}  // namespace
}  // namespace glmv
