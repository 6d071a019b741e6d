// The tuned attention kernels on the emulator: their bits depend on nothing but their inputs, and what the cases' one
// seed and one device do not reach.
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/plan/attention.h"
#include "reference/all_cases.h"
#include "reference/attention.h"
#include "tests/cuda/orders.h"

namespace glmv {
namespace {

std::vector<Case> bf16_cases() {
  std::vector<Case> list;
  for (const Case& c : all_cases()) {
    if (c.small && c.dtype == DType::bf16 && c.name.rfind("attention/", 0) == 0) list.push_back(c);
  }
  return list;
}

TEST(Seeds, EveryCasePasses) {
  for (const Case& c : bf16_cases()) {
    for (uint64_t seed = 2; seed < 5; ++seed) {
      const CaseReport r = run_case(c, cpu_backend(), emulated(), seed);
      EXPECT_EQ(r.status, CaseReport::Status::passed) << r.failures();
    }
  }
}

/// One decode call with scores far from zero, where a wrong maximum overflows.
struct LargeScores {
  CaseRun run;
  AttentionArgs a;

  LargeScores(const Backend& backend, DType activation, Rounding rounding, float scale)
      : run(backend, activation, DType::bf16, 1) {
    constexpr int64_t kKeys = 300;
    a.q = run.input("q", {1, 12, 64}, {3, 0});
    a.kv.k_pages = run.input("k_pages", {5, 64, 1, 64}, {3, 0});
    a.kv.v_pages = run.input("v_pages", {5, 64, 1, 64});
    a.kv.page_table = run.ids("page_table", {4, 2, 0, 1, 3}, {1, 5});
    a.kv.lengths = run.ids("lengths", {kKeys});
    a.cu_seqlens = run.ids("cu_seqlens", {0, 1});
    a.scale = scale;
    a.out = run.output("out", {1, 12, 64});
    a.rounding = rounding;
  }
  Tensor result(const Backend& backend) {
    Arena scratch(backend);
    backend.ops.attention(a, Exec{{}, {}, Reduction::blocked, &scratch});
    return run.fetch(run.items().back());
  }
};

TEST(Softmax, LargeScoresOfEitherSign) {
  for (const Rounding rounding : {Rounding::hf, Rounding::once}) {
    for (const float scale : {30.0f, -30.0f, 0.0f}) {
      const Tensor gold = LargeScores(cpu_backend(), DType::f64, rounding, scale).result(cpu_backend());
      Noise noise;
      noise.rounded_to = DType::bf16;
      noise.legal.push_back(LargeScores(cpu_backend(), DType::bf16, rounding, scale).result(cpu_backend()));
      const Tensor got = LargeScores(emulated(), DType::bf16, rounding, scale).result(emulated());
      const Comparison c = compare(gold.view, got.view, noise);
      EXPECT_TRUE(c.within()) << "scale " << scale << ": gold " << c.gold << ", got " << c.got << ", allowed "
                              << c.allowed;
    }
  }
}

TEST(Errors, ComeBeforeAnyLaunch) {
  LargeScores call(emulated(), DType::bf16, Rounding::once, 1);
  AttentionArgs wrong = call.a;
  wrong.kv.lengths = call.a.cu_seqlens;
  EXPECT_THROW(emulated().ops.attention(wrong, Exec{}), Error);
  EXPECT_THROW(emulated().ops.attention.run(call.a, Exec{}), Error) << "without the scratch memory it asks for";
}

}  // namespace
}  // namespace glmv
