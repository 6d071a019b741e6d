// Real kernels on the emulator, at both warp widths and in every order, against plain loops.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "reference/core/dtype.h"
#include "reference/core/error.h"
#include "simt/settings.h"
#include "tests/simt/device_array.h"
#include "tests/simt/kernels/kernels.h"

GLMV_DECLARE_PORTABLE_KERNELS(cuda_emulated)
GLMV_DECLARE_CUDA_KERNELS(cuda_emulated)
GLMV_DECLARE_PORTABLE_KERNELS(hip_emulated)
GLMV_DECLARE_HIP_KERNELS(hip_emulated)

namespace glmv::simt {
namespace {

constexpr double kUnit = 0x1p-24;  // largest relative error of one float rounding

/// What `operations` float roundings in a row can do, relative to the sum of sizes.
double rounding_bound(double operations) { return operations * kUnit / (1 - operations * kUnit); }

/// Elements of a matrix.
size_t area(int rows, int columns) { return static_cast<size_t>(rows) * static_cast<size_t>(columns); }

std::vector<float> random_floats(size_t count, unsigned seed, float low = -1, float high = 1) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(count);
  for (float& v : values) v = uniform(engine);
  return values;
}

std::vector<bf16> rounded(const std::vector<float>& values) { return {values.begin(), values.end()}; }

std::vector<float> widened(const std::vector<bf16>& values) { return {values.begin(), values.end()}; }

/// Every element of got [m,n] against sum_k a[i,k] b[k,j]; strides of b choose its layout.
void expect_product(const std::vector<float>& got, const std::vector<float>& a, const std::vector<float>& b, int m,
                    int n, int k, int b_row, int b_column) {
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = 0, size = 0;
      for (int l = 0; l < k; ++l) {
        const double product = static_cast<double>(a[i * k + l]) * b[l * b_row + j * b_column];
        sum += product;
        size += std::abs(product);
      }
      // k products, k sums, and whatever order the sums are in.
      ASSERT_NEAR(got[i * n + j], sum, rounding_bound(2.0 * k) * size) << '[' << i << ',' << j << ']';
    }
  }
}

struct World {
  Order order;
  int width;
  bool hip;
};

std::string name_of_world(const testing::TestParamInfo<World>& info) {
  const char* orders[] = {"Forward", "Reverse", "Random"};
  return concat(info.param.hip ? "Hip" : "Cuda", info.param.width, orders[static_cast<int>(info.param.order)]);
}

class Kernels : public testing::TestWithParam<World> {
 protected:
  void SetUp() override {
    settings().order = GetParam().order;
    settings().warp_width = GetParam().width;
    settings().seed = 20260;
  }
  bool hip() const { return GetParam().hip; }
  int width() const { return GetParam().width; }

 private:
  ScopedSettings restore_;
};

TEST_P(Kernels, TiledGemm) {
  const int m = 33, n = 40, k = 37;  // no multiple of the tile anywhere but in n
  const auto x = random_floats(area(m, k), 1), w = random_floats(area(k, n), 2);
  const DeviceArray<float> dx(x), dw(w), out(area(m, n));
  expect_ran((hip() ? hip_emulated::gemm_tiled : cuda_emulated::gemm_tiled)(dx.data(), dw.data(), out.data(), m, n, k));
  expect_product(out.values(), x, w, m, n, k, n, 1);
}

TEST_P(Kernels, Softmax) {
  const int rows = 3, columns = 1000;
  const auto x = random_floats(area(rows, columns), 3, -20, 20);
  const DeviceArray<float> dx(x), dout(x.size());
  expect_ran((hip() ? hip_emulated::softmax : cuda_emulated::softmax)(dx.data(), dout.data(), rows, columns, width()));
  const auto out = dout.values();
  for (int r = 0; r < rows; ++r) {
    const float* row = &x[area(r, columns)];
    const double largest = *std::max_element(row, row + columns);
    double sum = 0;
    for (int i = 0; i < columns; ++i) sum += std::exp(row[i] - largest);
    for (int i = 0; i < columns; ++i) {
      const double gold = std::exp(row[i] - largest) / sum;
      // Numerator and denominator: the difference (up to 40) is rounded before exp, exp is within one ulp (two units);
      // then `columns` sums and one division.
      const double relative = rounding_bound(2 * (40 + 2) + columns + 1);
      ASSERT_NEAR(out[r * columns + i], gold, gold * relative) << r << ',' << i;
    }
  }
}

TEST_P(Kernels, RouterTopEightWithTies) {
  const int tokens = 37, experts = 128, chosen = 8;
  auto scores = random_floats(area(tokens, experts), 4, 0.1F, 1);
  for (float& s : scores) s = std::round(s * 16) / 16;  // many equal scores
  const DeviceArray<float> dscores(scores), dweights(area(tokens, chosen));
  const DeviceArray<int> dids(area(tokens, chosen));
  const DeviceArray<unsigned> dhistogram(std::vector<unsigned>(experts, 0));
  expect_ran((hip() ? hip_emulated::router : cuda_emulated::router)(dscores.data(), dids.data(), dweights.data(),
                                                                    dhistogram.data(), tokens, width()));
  const auto ids = dids.values();
  const auto weights = dweights.values();
  std::vector<unsigned> counts(experts, 0);
  for (int t = 0; t < tokens; ++t) {
    std::vector<int> order(experts);
    for (int e = 0; e < experts; ++e) order[e] = e;
    const float* s = &scores[area(t, experts)];
    std::stable_sort(order.begin(), order.end(), [s](int a, int b) { return s[a] > s[b]; });
    double sum = 0;
    for (int c = 0; c < chosen; ++c) sum += s[order[c]];
    for (int c = 0; c < chosen; ++c) {
      ASSERT_EQ(ids[t * chosen + c], order[c]) << t << ',' << c;
      ASSERT_NEAR(weights[t * chosen + c], s[order[c]] / sum, rounding_bound(chosen + 1) * s[order[c]] / sum);
      ++counts[order[c]];
    }
  }
  EXPECT_EQ(dhistogram.values(), counts);
}

/// Runs a product of bf16 matrices, out [m,n] = a [m,k] b[n,k]^T, and checks it.
template <class Run>
void check_bf16_product(int m, int n, int k, Run run) {
  const auto a = rounded(random_floats(area(m, k), 5)), b = rounded(random_floats(area(n, k), 6));
  const DeviceArray<bf16> da(a), db(b);
  const DeviceArray<float> out(area(m, n));
  expect_ran(run(da.data(), db.data(), out.data(), m, n, k));
  expect_product(out.values(), widened(a), widened(b), m, n, k, 1, k);
}

class NvidiaKernels : public Kernels {};

TEST_P(NvidiaKernels, MmaGemm) { check_bf16_product(64, 96, 64, cuda_emulated::gemm_mma); }

TEST_P(NvidiaKernels, PipelinedGemm) {
  for (const auto& [m, n, k] : {std::array<int, 3>{64, 64, 32}, {70, 100, 72}, {1, 8, 8}, {64, 130, 96}}) {
    check_bf16_product(m, n, k, cuda_emulated::gemm_pipeline);
  }
}

class AmdKernels : public Kernels {};

TEST_P(AmdKernels, MfmaGemm) {
  for (int size : {16, 32}) {
    check_bf16_product(64, 96, 64, [size](const bf16* a, const bf16* b, float* out, int m, int n, int k) {
      return hip_emulated::gemm_mfma(a, b, out, m, n, k, size);
    });
  }
}

constexpr World kCuda[] = {{Order::forward, 32, false}, {Order::reverse, 32, false}, {Order::random, 32, false}};
constexpr World kHip32[] = {{Order::forward, 32, true}, {Order::reverse, 32, true}, {Order::random, 32, true}};
constexpr World kHip64[] = {{Order::forward, 64, true}, {Order::reverse, 64, true}, {Order::random, 64, true}};
INSTANTIATE_TEST_SUITE_P(Cuda, Kernels, testing::ValuesIn(kCuda), name_of_world);
INSTANTIATE_TEST_SUITE_P(Hip32, Kernels, testing::ValuesIn(kHip32), name_of_world);
INSTANTIATE_TEST_SUITE_P(Hip64, Kernels, testing::ValuesIn(kHip64), name_of_world);
INSTANTIATE_TEST_SUITE_P(Cuda, NvidiaKernels, testing::ValuesIn(kCuda), name_of_world);
INSTANTIATE_TEST_SUITE_P(Hip64, AmdKernels, testing::ValuesIn(kHip64), name_of_world);

}  // namespace
}  // namespace glmv::simt
