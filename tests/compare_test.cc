// The comparator, on planted errors.
#include "reference/core/compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace glmv {
namespace {

Tensor f64s(std::initializer_list<int64_t> dims, std::vector<double> values) {
  Tensor t(DType::f64, dims);
  std::copy(values.begin(), values.end(), t.data<double>());
  return t;
}

Noise noise_with(const Tensor& legal, DType unit = DType::f32) {
  Noise n;
  n.rounded_to = unit;
  n.legal = {legal};
  return n;
}

TEST(Compare, AllowsOneUlpAndTwiceTheNoiseOfTheRow) {
  constexpr int64_t kRows = 40;  // so many that one row's noise is not the usual one
  const auto all_ones_but = [&](std::vector<double> v) {
    v.resize(2 * kRows, 1.0);
    return f64s({kRows, 2}, v);
  };
  const Tensor gold = all_ones_but({}), legal = all_ones_but({1, 1.25});
  const double ulp = 0x1p-23;  // of f32 at 1
  const auto with = [&](std::vector<double> v) {
    return compare(gold.view, all_ones_but(std::move(v)).view, noise_with(legal));
  };
  EXPECT_TRUE(with({1.5 + ulp, 1, 1, 1}).within());  // noise of row 0 is 0.25
  EXPECT_FALSE(with({1.5 + 1.5 * ulp, 1, 1, 1}).within());
  EXPECT_TRUE(with({1, 1, 1 + ulp, 1}).within());         // row 1 has none
  EXPECT_FALSE(with({1, 1, 1 + 1.5 * ulp, 1}).within());  // and row 0's does not leak into it
  const Comparison c = with({1, 1, 1, 2});
  EXPECT_EQ(c.bad, 1);
  EXPECT_EQ(c.worst, 3);
  EXPECT_EQ(c.got, 2);
  EXPECT_DOUBLE_EQ(c.allowed, ulp);
  EXPECT_DOUBLE_EQ(c.peak_ulp, 1 / ulp);
  EXPECT_EQ(index_text(gold.view, c.worst), "[1,1]");
}

TEST(Compare, AQuietRowMayBeAsNoisyAsIsUsualForItsSize) {
  // Three rows of sizes 1, 1 and 100; the runs of the last one happened to agree.
  const Tensor gold = f64s({3, 1}, {1, 1, 100}), legal = f64s({3, 1}, {1.01, 1.02, 100});
  const Noise noise = noise_with(legal);
  EXPECT_NEAR(usual_noise(gold.view, noise), 0.02, 0x1p-50);
  EXPECT_TRUE(compare(gold.view, f64s({3, 1}, {1, 1, 103.9}).view, noise).within());
  EXPECT_FALSE(compare(gold.view, f64s({3, 1}, {1, 1, 104.1}).view, noise).within());
  EXPECT_FALSE(compare(gold.view, f64s({3, 1}, {1.05, 1, 100}).view, noise).within());
}

TEST(Compare, AMeasuredFloorCountsLikeARun) {
  const Tensor gold = f64s({1, 1}, {1});
  Noise n = noise_with(gold);
  EXPECT_FALSE(compare(gold.view, f64s({1, 1}, {1.9}).view, n).within());
  const Tensor floor = f64s({1}, {0.5});
  n.row_floor = floor.view;
  EXPECT_TRUE(compare(gold.view, f64s({1, 1}, {1.9}).view, n).within());
  EXPECT_FALSE(compare(gold.view, f64s({1, 1}, {2.1}).view, n).within());
  n.factor = 3;
  EXPECT_TRUE(compare(gold.view, f64s({1, 1}, {2.4}).view, n).within());
}

TEST(Compare, NanAndInfinityAreNeverNoise) {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  const Tensor gold = f64s({1, 3}, {1, 2, 3}), loud = f64s({1, 3}, {1e9, 2, 3});
  EXPECT_FALSE(compare(gold.view, f64s({1, 3}, {1, nan, 3}).view, noise_with(loud)).within());
  EXPECT_FALSE(compare(gold.view, f64s({1, 3}, {1, inf, 3}).view, noise_with(loud)).within());
  EXPECT_TRUE(compare(f64s({1, 1}, {nan}).view, f64s({1, 1}, {nan}).view, noise_with(f64s({1, 1}, {nan}))).within());
  EXPECT_TRUE(compare(f64s({1, 1}, {inf}).view, f64s({1, 1}, {inf}).view, noise_with(f64s({1, 1}, {inf}))).within());
}

TEST(Compare, ZeroGoldHasTheSmallestUlp) {
  const Tensor gold = f64s({1, 1}, {0});
  EXPECT_TRUE(compare(gold.view, gold.view, noise_with(gold)).within());
  EXPECT_FALSE(compare(gold.view, f64s({1, 1}, {1e-20}).view, noise_with(gold)).within());
}

TEST(Compare, ExtentsMustAgree) {
  EXPECT_THROW(compare(f64s({1, 2}, {1, 2}).view, f64s({2, 1}, {1, 2}).view, noise_with(f64s({1, 2}, {1, 2}))), Error);
  EXPECT_THROW(distance(f64s({2}, {1, 2}).view, f64s({1}, {1}).view, DType::f32), Error);
}

TEST(Compare, EmptyTensorsAreEqual) {
  const Tensor empty(DType::f64, {0, 4});
  EXPECT_TRUE(compare(empty.view, empty.view, noise_with(empty)).within());
}

TEST(Distance, PercentilesAndAngles) {
  std::vector<double> a(200, 1.0), b = a;
  b[7] = 1 + 8 * 0x1p-23;
  b[8] = 1 + 4 * 0x1p-23;
  b[9] = 1 + 2 * 0x1p-23;
  const Comparison c = distance(f64s({200}, a).view, f64s({200}, b).view, DType::f32);
  EXPECT_EQ(c.peak_ulp, 8);
  EXPECT_EQ(c.p99_ulp, 2);  // two of two hundred lie above the 99th percentile
  EXPECT_EQ(c.bad, 3);
  const Comparison right = distance(f64s({2}, {1, 0}).view, f64s({2}, {0, 1}).view, DType::f32);
  EXPECT_EQ(right.cosine, 0);
  EXPECT_DOUBLE_EQ(right.relative_l2, std::sqrt(2.0));
}

TEST(Ulp, AtPowersOfTwoZeroAndSubnormals) {
  EXPECT_EQ(ulp_at(DType::f32, 1.0), 0x1p-23);
  EXPECT_EQ(ulp_at(DType::f32, -1.0), 0x1p-23);
  EXPECT_EQ(ulp_at(DType::f32, 1.999), 0x1p-23);
  EXPECT_EQ(ulp_at(DType::f32, 2.0), 0x1p-22);
  EXPECT_EQ(ulp_at(DType::bf16, 1.0), 0x1p-7);
  EXPECT_EQ(ulp_at(DType::bf16, 256.0), 2.0);
  EXPECT_EQ(ulp_at(DType::f16, 1.0), 0x1p-10);
  EXPECT_EQ(ulp_at(DType::f32, 0.0), 0x1p-149);
  EXPECT_EQ(ulp_at(DType::f32, 0x1p-140), 0x1p-149);
  EXPECT_EQ(ulp_at(DType::f16, 0.0), 0x1p-24);
}

TEST(Exact, CountsAndFindsTheFirst) {
  const ExactComparison c = compare_exact(f64s({4}, {1, 2, 3, 4}).view, f64s({4}, {1, 5, 3, 6}).view);
  EXPECT_EQ(c.different, 2);
  EXPECT_EQ(c.first, 1);
  EXPECT_EQ(c.expected, 2);
  EXPECT_EQ(c.got, 5);
}

// ---- Routing: 6 experts in 2 groups of 3, one group kept, two experts chosen ----

const std::vector<double> kScores = {0.9, 0.8, 0.1, 0.7, 0.6, 0.5};
constexpr RoutingRule kRule{2, 1};

TEST(Routing, GoldsOwnChoiceIsLegalAndNoFlip) {
  const RoutingVerdict v = judge_routing(kScores, {0, 1}, kRule, 0);
  EXPECT_TRUE(v.legal);
  EXPECT_FALSE(v.flipped);
}

TEST(Routing, AnExpertThatIsClearlyWorseIsIllegal) {
  const RoutingVerdict v = judge_routing(kScores, {0, 2}, kRule, 0.1);
  EXPECT_FALSE(v.legal);
  EXPECT_NEAR(v.gap, 0.7, 1e-12);
}

TEST(Routing, WithinTheSlackAFlipIsLegal) {
  std::vector<double> close = kScores;
  close[2] = 0.7999;
  EXPECT_TRUE(judge_routing(close, {0, 2}, kRule, 0.001).legal);
  EXPECT_TRUE(judge_routing(close, {0, 2}, kRule, 0.001).flipped);
  EXPECT_FALSE(judge_routing(close, {0, 2}, kRule, 0.00001).legal);
}

TEST(Routing, GroupsAreJudgedByTheirTwoBest) {
  EXPECT_FALSE(judge_routing(kScores, {3, 4}, kRule, 0.1).legal);  // 1.3 against 1.7
  EXPECT_TRUE(judge_routing(kScores, {3, 4}, kRule, 0.5).legal);
  EXPECT_FALSE(judge_routing(kScores, {0, 3}, kRule, 10).legal);  // two groups where one is kept
  EXPECT_TRUE(judge_routing(kScores, {0, 1}, {1, 1}, 0).legal);
}

TEST(Routing, TheSameExpertTwiceIsIllegal) { EXPECT_FALSE(judge_routing(kScores, {0, 0}, kRule, 10).legal); }

}  // namespace
}  // namespace glmv
