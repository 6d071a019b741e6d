// block_product bit for bit against the loop that its comment promises. Built twice: for the default machine and, as
// register_block_wide_test, with AVX-512 (skipped where the processor has none).
#include "reference/core/register_block.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace glmv {
namespace {

bool machine_can_run_this() {
#if defined(__AVX512F__)
  return __builtin_cpu_supports("avx512f");
#else
  return true;
#endif
}

/// Numbers of both signs whose sums have to be rounded.
template <class T>
std::vector<T> numbers(int64_t n, uint32_t seed) {
  using Wide = std::conditional_t<std::is_same_v<T, bf16>, float, T>;
  std::vector<T> out(static_cast<size_t>(n));
  for (T& x : out) {
    seed = seed * 1664525u + 1013904223u;
    x = T(static_cast<Wide>(static_cast<int32_t>(seed)) / Wide(3e8));
  }
  return out;
}

/// A: the type of a's elements.
template <class A, class Acc>
void check(int64_t rows, int64_t cols, int64_t k, Into into) {
  const int64_t lda = k + 3, ldb = cols + 5, ldc = cols + 1;
  const std::vector<A> a = numbers<A>(rows * lda, 1);
  const std::vector<Acc> b = numbers<Acc>(k * ldb, 2);
  std::vector<Acc> got = numbers<Acc>(rows * ldc, 3), want = got;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      Acc sum = 0;
      for (int64_t s = 0; s < k; ++s)
        sum = std::fma(static_cast<Acc>(a[static_cast<size_t>(i * lda + s)]), b[static_cast<size_t>(s * ldb + j)], sum);
      Acc& c = want[static_cast<size_t>(i * ldc + j)];
      c = into == Into::add ? c + sum : sum;
    }
  }
  block_product(a.data(), lda, rows, b.data(), ldb, cols, k, got.data(), ldc, into);
  EXPECT_EQ(std::memcmp(got.data(), want.data(), got.size() * sizeof(Acc)), 0)
      << rows << " x " << cols << " x " << k << ", " << sizeof(A) << " and " << sizeof(Acc) << " bytes";
}

TEST(RegisterBlock, EveryShapeIsTheAscendingSum) {
  if (!machine_can_run_this()) GTEST_SKIP() << "this processor has no AVX-512";
  for (const int64_t rows : {1, 5, 6, 7, 11, 12, 13, 23, 24, 29}) {
    for (const int64_t cols : {1, 7, 8, 15, 16, 31, 32, 33, 48, 70}) {
      for (const int64_t k : {1, 2, 3, 64, 255}) {
        for (const Into into : {Into::set, Into::add}) {
          check<float, float>(rows, cols, k, into);
          check<double, double>(rows, cols, k, into);
          check<bf16, float>(rows, cols, k, into);
        }
      }
    }
  }
}

}  // namespace
}  // namespace glmv
