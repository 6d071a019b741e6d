// Intervals and tests against values computed elsewhere or by hand.
#include "eval/stats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace glmv::eval {
namespace {

// The interval's ends are the p for which (phat - p)^2 = z^2 p (1 - p) / n: put them back into the equation.
TEST(Wilson, EndsSolveTheScoreEquation) {
  const double z = 1.959963984540054;
  for (const auto& [right, n] :
       {std::pair<int64_t, int64_t>{330, 900}, {7, 10}, {1, 3}, {999, 1000}, {50000, 100000}}) {
    const Interval ci = wilson(right, n);
    const double share = static_cast<double>(right) / static_cast<double>(n);
    for (const double p : {ci.low, ci.high})
      EXPECT_NEAR((share - p) * (share - p), z * z * p * (1 - p) / static_cast<double>(n), 1e-12)
          << right << " of " << n;
    EXPECT_LT(ci.low, share);
    EXPECT_GT(ci.high, share);
  }
}

TEST(Wilson, StaysInsideAtTheEnds) {
  EXPECT_EQ(wilson(0, 5).low, 0);
  EXPECT_EQ(wilson(5, 5).high, 1);
  EXPECT_GT(wilson(0, 5).high, 0.3) << "nothing right of five says little";
  EXPECT_ANY_THROW(wilson(1, 0));
  EXPECT_ANY_THROW(wilson(6, 5));
}

// Two-sided exact p: 2 * (sum of binomial(n, k) for k <= min) / 2^n.
TEST(McNemar, IsTheExactBinomial) {
  EXPECT_NEAR(mcnemar(1, 5), 2.0 * (1 + 6) / 64, 1e-12);
  EXPECT_NEAR(mcnemar(5, 1), mcnemar(1, 5), 1e-15);
  EXPECT_NEAR(mcnemar(0, 10), 2.0 / 1024, 1e-12);
  EXPECT_EQ(mcnemar(3, 3), 1);
  EXPECT_EQ(mcnemar(0, 0), 1);
}

std::optional<Interval> of_values(const std::vector<double>& values, const std::vector<std::vector<size_t>>& clusters,
                                  uint64_t seed = 1) {
  const auto mean = [&](const std::vector<size_t>& drawn) -> std::optional<double> {
    double sum = 0;
    for (const size_t i : drawn) sum += values[i];
    return sum / static_cast<double>(drawn.size());
  };
  return clustered_bootstrap(clusters, mean, seed, 4000);
}

TEST(Bootstrap, OfSingleSamplesAgreesWithTheNormalApproximation) {
  std::vector<double> values;
  std::vector<std::vector<size_t>> clusters;
  for (size_t i = 0; i < 400; ++i) {
    values.push_back(i % 4 == 0 ? 0 : 1);
    clusters.push_back({i});
  }
  const Interval ci = of_values(values, clusters).value();
  const double half = 1.959963984540054 * std::sqrt(0.75 * 0.25 / 400);
  // The ends are quantiles of 4,000 draws: their own standard error is about a twentieth of the half width.
  EXPECT_NEAR(ci.low, 0.75 - half, half / 5);
  EXPECT_NEAR(ci.high, 0.75 + half, half / 5);
}

TEST(Bootstrap, OfClustersIsWiderWhenTheirMembersAgree) {
  std::vector<double> values;
  std::vector<std::vector<size_t>> single, pairs;
  for (size_t i = 0; i < 200; ++i) {
    values.push_back((i / 4) % 2 == 0 ? 1 : 0);
    single.push_back({i});
    if (i % 4 == 0) pairs.push_back({i, i + 1, i + 2, i + 3});
  }
  const Interval a = of_values(values, single).value(), b = of_values(values, pairs).value();
  EXPECT_NEAR((b.high - b.low) / (a.high - a.low), 2, 0.3) << "four samples that always agree count as one";
}

TEST(Bootstrap, IsRepeatedByItsSeedAndAbsentWithoutClusters) {
  const std::vector<double> values = {0, 1, 1, 0, 1};
  std::vector<std::vector<size_t>> clusters;
  for (size_t i = 0; i < values.size(); ++i) clusters.push_back({i});
  EXPECT_EQ(of_values(values, clusters, 5)->low, of_values(values, clusters, 5)->low);
  EXPECT_FALSE(of_values(values, {{0, 1, 2}}).has_value());
  EXPECT_FALSE(clustered_bootstrap(
                   clusters, [](const auto&) { return std::optional<double>(); }, 1)
                   .has_value());
}

}  // namespace
}  // namespace glmv::eval
