// Every kernel of both rungs on the emulator, in forward, reverse and random order of threads and blocks: the result
// must not depend on the order, to the last bit. Under ThreadSanitizer the same runs are searched for races.
#include <gtest/gtest.h>

#include "cuda/backend.h"
#include "cuda/moe_align.h"
#include "reference/all_cases.h"
#include "reference/core/parallel.h"
#include "tests/cuda/launch_sites.h"
#include "tests/cuda/orders.h"

namespace glmv {
namespace {

const Backend& naive() { return cuda_emulated::naive_backend(); }
const Backend& tuned() { return cuda_emulated::backend(); }
const Backend& with_wgmma() { return cuda_emulated::wgmma_backend(); }

/// Bytes of all tensors of a case: how much work it is, roughly.
int64_t bytes_of_tensors(const Case& c) {
  CaseRun run(cpu_backend(), c.dtype, c.dtype, 1);
  c.build(run, cpu_backend().ops);
  int64_t bytes = 0;
  for (const CaseRun::Item& item : run.items()) bytes += item.view.bytes();
  return bytes;
}

/// A small case says of the plain rung, whose threads share nothing, what a large one says; ThreadSanitizer makes a
/// kernel many times slower, and sees a race of few threads as well. Whether every launch was met is checked at the
/// end.
bool affordable(const Backend& backend, const Case& c) {
  constexpr int64_t kPlain = 16 << 10, kTuned = 128 << 10, kExperts = 1 << 20;  // wgmma wants a tile of rows for each
  if (&backend == &naive()) return bytes_of_tensors(c) <= kPlain;
  const bool many_rows = &backend == &with_wgmma() && op_of(c) == "moe_experts";
  return !GLMV_TSAN || bytes_of_tensors(c) <= (many_rows ? kExperts : kTuned);
}

void expect_same_bits(const Backend& backend, const std::string& op) {
  int64_t cases = 0;
  for (const Case& c : all_cases()) {
    if (!c.small || op_of(c) != op || !affordable(backend, c)) continue;
    const std::string forward = bytes_of(c, simt::Order::forward, 0, backend);
    EXPECT_TRUE(forward == bytes_of(c, simt::Order::reverse, 0, backend)) << c.name << ", reverse order";
    EXPECT_TRUE(forward == bytes_of(c, simt::Order::random, 7, backend)) << c.name << ", random order";
    ++cases;
  }
  EXPECT_GT(cases, 0) << backend.name;
}

class Orders : public ::testing::TestWithParam<std::string> {};

TEST_P(Orders, GiveTheSameBits) {
  set_thread_count(1);  // of OpenMP, which ThreadSanitizer does not understand; kernels have their own threads
  const auto plain = function_of(naive().ops, GetParam());
  if (plain != nullptr) expect_same_bits(naive(), GetParam());
  const auto fast = function_of(tuned().ops, GetParam());
  if (plain != fast) expect_same_bits(tuned(), GetParam());
  if (fast != function_of(with_wgmma().ops, GetParam())) expect_same_bits(with_wgmma(), GetParam());
}

std::vector<std::string> ops() {
  std::vector<std::string> names;
  tuned().ops.for_each([&](const char* op, const auto& /*entry*/) { names.emplace_back(op); });
  return names;
}
INSTANTIATE_TEST_SUITE_P(Op, Orders, ::testing::ValuesIn(ops()), [](const auto& op) { return op.param; });

/// Random weights, made where they lie: a stretch per thread, the last one ragged.
std::string filled(DType dtype, simt::Order order) {
  const simt::ScopedSettings saved;
  simt::settings().order = order;
  Arena arena(tuned());
  const TensorView out = arena.make(dtype, {37, 131});
  tuned().fill("w", {0.5, 0.25}, dtype, out, {});
  const Tensor result = to_host(tuned(), out);
  return {result.data<char>(), static_cast<size_t>(result.view.bytes())};
}

TEST(Fill, GivesTheSameBits) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f8e4m3}) {
    const std::string forward = filled(dtype, simt::Order::forward);
    EXPECT_TRUE(forward == filled(dtype, simt::Order::reverse)) << name_of(dtype);
    EXPECT_TRUE(forward == filled(dtype, simt::Order::random)) << name_of(dtype);
  }
}

/// Alignment of so few slots that a plan would make it one launch, in the launches that many slots take; a warp takes
/// several steps.
std::vector<int32_t> aligned_by_several_blocks(simt::Order order) {
  constexpr int64_t kTokens = 340, kChosen = 3, kExperts = 5;
  constexpr int64_t kSlots = kTokens * kChosen;
  cuda_plan::AlignPlan plan = cuda_plan::plan_align(kSlots, kExperts, 16);
  plan.blocks = 3;
  plan.chunk = kSlots / plan.blocks;
  plan.counts_at = plan.bytes;
  plan.bytes += static_cast<size_t>(plan.blocks * kExperts) * sizeof(int32_t);
  std::vector<int32_t> choice;
  for (int64_t i = 0; i < kSlots; ++i) choice.push_back(static_cast<int32_t>(i * i % kExperts));

  const simt::ScopedSettings saved;
  simt::settings().order = order;
  Arena arena(tuned());
  const TensorView ids = arena.make(DType::i32, {kTokens, kChosen}),
                   memory = arena.make(DType::i32, {static_cast<int64_t>(plan.bytes / sizeof(int32_t))});
  tuned().to_device(ids.data, choice.data(), choice.size() * sizeof(int32_t));
  cuda_emulated::moe_align(ids, kExperts, cuda_emulated::place_alignment(memory.data, plan), plan, {});
  const Tensor result = to_host(tuned(), memory);
  return {result.data<int32_t>(), result.data<int32_t>() + memory.size()};
}

TEST(Alignment, GivesTheSameBitsInSeveralLaunches) {
  const std::vector<int32_t> forward = aligned_by_several_blocks(simt::Order::forward);
  EXPECT_EQ(forward, aligned_by_several_blocks(simt::Order::reverse));
  EXPECT_EQ(forward, aligned_by_several_blocks(simt::Order::random));
}

/// A kernel that no test of this program reaches is a failure, unless a filter was given.
class EveryLaunchIsMet : public ::testing::Environment {
 public:
  void SetUp() override { sites_ = std::make_unique<LaunchSites>(); }
  void TearDown() override {
    const ::testing::UnitTest& all = *::testing::UnitTest::GetInstance();
    if (all.test_to_run_count() == all.total_test_count()) {
      EXPECT_GT(LaunchSites::written().size(), 40u) << "launches that the sources write";
      EXPECT_EQ(sites_->missed(), std::vector<std::string>());
    }
    sites_.reset();
  }

 private:
  std::unique_ptr<LaunchSites> sites_;
};
[[maybe_unused]] auto* const g_every_launch_is_met = ::testing::AddGlobalTestEnvironment(new EveryLaunchIsMet);

}  // namespace
}  // namespace glmv
