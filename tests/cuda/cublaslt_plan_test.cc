// What is asked of cuBLASLt for a linear: layouts, leading dimensions, epilogue. No device is needed.
#include <gtest/gtest.h>

#include <cstring>

#include "cuda/plan/cublaslt.h"
#include "reference/backends.h"

namespace glmv::cuda_plan {
namespace {

void* at(uintptr_t offset) { return reinterpret_cast<void*>(uintptr_t{1} << 20 | offset); }

LinearArgs linear(int64_t tokens, int64_t n, int64_t k, DType out = DType::bf16) {
  LinearArgs a;
  a.x = make_view(at(0), DType::bf16, {tokens, k}, Space::cuda);
  a.w.data = make_view(at(64), DType::bf16, {n, k}, Space::cuda);
  a.out = make_view(at(128), out, {tokens, n}, Space::cuda);
  return a;
}

TEST(CublasLtPlan, RowsBecomeColumns) {
  const CublasLtCall c = plan_cublaslt(linear(7, 40, 64));
  ASSERT_EQ(c.rule, nullptr);
  EXPECT_EQ(c.w, (ColumnMajor{64, 40, 64}));
  EXPECT_EQ(c.x, (ColumnMajor{64, 7, 64}));
  EXPECT_EQ(c.out, (ColumnMajor{40, 7, 40}));
  EXPECT_FALSE(c.bias);
  EXPECT_EQ(c.out_type, DType::bf16);
  EXPECT_EQ(plan_cublaslt(linear(7, 40, 64, DType::f32)).out_type, DType::f32);
}

TEST(CublasLtPlan, StridesBecomeLeadingDimensions) {
  LinearArgs a = linear(7, 40, 64);
  a.x.stride[0] = 72;
  a.w.data.stride[0] = 80;
  a.out.stride[0] = 41;
  const CublasLtCall c = plan_cublaslt(a);
  EXPECT_EQ(c.x.leading, 72);
  EXPECT_EQ(c.w.leading, 80);
  EXPECT_EQ(c.out.leading, 41);
  LinearArgs one = linear(1, 40, 64);  // the stride of a single row may be anything, a leading dimension may not
  one.x.stride[0] = 0;
  EXPECT_EQ(plan_cublaslt(one).x.leading, 64);
}

/// The definition, with the layouts read as the library reads them.
TEST(CublasLtPlan, TheTransposedProductIsTheLinear) {
  LinearArgs a = linear(3, 8, 16);
  a.x.stride[0] = 24;
  const CublasLtCall c = plan_cublaslt(a);
  const auto element = [](const ColumnMajor& m, int64_t row, int64_t column) { return row + column * m.leading; };
  for (int64_t t = 0; t < 3; ++t) {
    for (int64_t n = 0; n < 8; ++n) {
      EXPECT_EQ(element(c.out, n, t), t * a.out.stride[0] + n);
      for (int64_t k = 0; k < 16; ++k) {
        EXPECT_EQ(element(c.w, k, n), n * a.w.data.stride[0] + k);  // op(A) [n, k] is A [k, n]
        EXPECT_EQ(element(c.x, k, t), t * a.x.stride[0] + k);
      }
    }
  }
}

TEST(CublasLtPlan, ABiasOfTheOutputsTypeIsTheEpilogue) {
  LinearArgs a = linear(7, 40, 64);
  a.bias = make_view(at(6), DType::bf16, {40}, Space::cuda);
  const CublasLtCall c = plan_cublaslt(a);
  EXPECT_EQ(c.rule, nullptr);
  EXPECT_TRUE(c.bias);
  EXPECT_EQ(c.bias_alignment, 2);
  a.bias = make_view(at(0), DType::f32, {40}, Space::cuda);
  EXPECT_STREQ(plan_cublaslt(a).rule, "a bias of another type than the output");
  a.bias = make_view(at(0), DType::bf16, {40}, Space::cuda);
  a.bias.stride[0] = 2;
  EXPECT_STREQ(plan_cublaslt(a).rule, "a bias with gaps");
}

TEST(CublasLtPlan, RefusesWhatTheTunedKernelsRefuse) {
  LinearArgs a = linear(7, 40, 64);
  a.w.format = Format::fp8_per_row;
  EXPECT_NE(plan_cublaslt(a).rule, nullptr);
  EXPECT_NE(plan_cublaslt(linear(7, 40, 60)).rule, nullptr);
  EXPECT_STREQ(plan_cublaslt(linear(0, 40, 64)).rule, "nothing to compute");
}

TEST(CublasLtPlan, AlgorithmsAreSharedByEqualCallsOnly) {
  const CublasLtCall c = plan_cublaslt(linear(7, 40, 64));
  LinearArgs moved = linear(7, 40, 64);
  moved.x.data = at(1024);
  EXPECT_EQ(c, plan_cublaslt(moved));
  moved.out.data = at(2);  // an algorithm with wide stores would not do
  EXPECT_NE(c, plan_cublaslt(moved));
  EXPECT_NE(c, plan_cublaslt(linear(8, 40, 64)));
}

/// Where there is no device the backend says so in one line, with the exit code of a missing device.
TEST(CublasLtBackend, IsListedAndNamesWhatIsMissing) {
  for (const Backend* b : linked_backends()) {
    if (b->name != "cuda-cublaslt") continue;
    const std::string why = absence(*b);
    if (why.empty()) return;  // ops_test runs its cases
    std::cout << "skipped: cuda-cublaslt on a device (" << why << ")\n";
    EXPECT_EQ(why.find('\n'), std::string::npos);
    try {
      find_backend(b->name);
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::no_device);
    }
    return;
  }
  std::cout << "skipped: cuda-cublaslt is not in this build\n";
}

}  // namespace
}  // namespace glmv::cuda_plan
