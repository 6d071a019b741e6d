// Quantiles, tests and verdicts on numbers whose answers are known.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "bench/compare.h"
#include "bench/session.h"
#include "bench/stats.h"
#include "reference/core/error.h"

namespace glmv::bench {
namespace {

/// numpy.quantile([3, 1, 4, 1, 5, 9, 2, 6], [0.1, 0.25, 0.5, 0.9])
TEST(Stats, QuantilesAreNumpys) {
  const std::vector<double> v = {3, 1, 4, 1, 5, 9, 2, 6};
  EXPECT_DOUBLE_EQ(quantile(v, 0.1), 1);
  EXPECT_DOUBLE_EQ(quantile(v, 0.25), 1.75);
  EXPECT_DOUBLE_EQ(median(v), 3.5);
  EXPECT_DOUBLE_EQ(quantile(v, 0.9), 6.9);
  EXPECT_DOUBLE_EQ(quantile({7}, 0.3), 7);
  EXPECT_THROW(quantile({}, 0.5), Error);
}

/// scipy.stats.mannwhitneyu(a, b).pvalue of scipy 1: exact without ties, asymptotic with them.
TEST(Stats, MannWhitneyIsScipys) {
  EXPECT_NEAR(mann_whitney({1.1, 2.3, 2.9, 3.0, 4.2, 5.5, 6.1, 7.7}, {2.0, 3.3, 4.9, 6.0, 7.2, 8.5, 9.1, 9.7}),
              0.13038073038073036, 1e-12);
  EXPECT_NEAR(mann_whitney({1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}), 0.0021645021645021645, 1e-15);
  EXPECT_NEAR(least_p(6, 6), 0.0021645021645021645, 1e-12);
  EXPECT_NEAR(mann_whitney({1, 2, 2, 3, 4, 4, 4, 5}, {2, 4, 4, 5, 5, 6, 7, 7}), 0.0363467796674792, 1e-12);
  EXPECT_EQ(mann_whitney({1, 1, 1}, {1, 1, 1}), 1);
  EXPECT_EQ(mann_whitney({}, {1}), 1);
}

TEST(Stats, HolmsCorrection) {
  const std::vector<double> p = holm({0.01, 0.04, 0.03, 0.005});
  const std::vector<double> wanted = {0.03, 0.06, 0.06, 0.02};
  for (size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(p[i], wanted[i], 1e-15);
  EXPECT_EQ(holm({0.6, 0.9}), (std::vector<double>{1, 1}));
}

/// Rounds of samples about a mean, with a spread inside rounds and one between them.
Rounds drawn(double mean, double inside, double between, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Rounds rounds(3);
  for (auto& round : rounds) {
    const double shift = mean * (1 + between * normal(random));
    for (int i = 0; i < 10; ++i) round.push_back(shift * (1 + inside * std::abs(normal(random))));
  }
  return rounds;
}

Row row_of(const std::string& name, Rounds seconds) {
  Row r;
  r.name = name, r.case_name = name;
  r.seconds = std::move(seconds);
  return r;
}

Verdict verdict_of(const Row& a, const Row& b) { return compare_rows({a}, {b}, {})[0].verdict; }

TEST(Compare, SlowerFasterSame) {
  const Row a = row_of("x", drawn(1e-4, 0.01, 0.005, 1));
  EXPECT_EQ(verdict_of(a, row_of("x", drawn(1e-4, 0.01, 0.005, 2))), Verdict::same);
  EXPECT_EQ(verdict_of(a, row_of("x", drawn(1.2e-4, 0.01, 0.005, 3))), Verdict::slower);
  EXPECT_EQ(verdict_of(a, row_of("x", drawn(0.8e-4, 0.01, 0.005, 4))), Verdict::faster);
  EXPECT_EQ(verdict_of(a, row_of("x", drawn(1.03e-4, 0.001, 0.001, 5))), Verdict::same) << "below the threshold";
}

TEST(Compare, NoiseIsNoRegression) {
  int64_t alarms = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {  // rounds that differ by 10 %, as on a machine that others use too
    const Verdict v =
        verdict_of(row_of("x", drawn(1e-4, 0.05, 0.1, 2 * seed)), row_of("x", drawn(1e-4, 0.05, 0.1, 2 * seed + 1)));
    alarms += v == Verdict::slower || v == Verdict::faster;
  }
  // Three rounds are all on one side of three others in a tenth of the cases if nothing else is asked.
  EXPECT_LE(alarms, 20);
}

TEST(Compare, ADisturbedRowIsUnstable) {
  const Row a = row_of("x", drawn(1e-4, 0.01, 0.005, 1));
  Row slow = row_of("x", drawn(2e-4, 0.01, 0.005, 2));
  slow.status = Status::unstable, slow.why = "the clock changed";
  const Compared c = compare_rows({a}, {slow}, {})[0];
  EXPECT_EQ(c.verdict, Verdict::unstable);
  EXPECT_NE(c.why.find("the clock changed"), std::string::npos);
  Row same = row_of("x", drawn(1e-4, 0.01, 0.005, 3));
  same.status = Status::unstable;
  EXPECT_EQ(verdict_of(a, same), Verdict::same);
}

TEST(Compare, AMachineThatIsSlowerItselfIsToBlame) {
  Row a = row_of("x", drawn(1e-4, 0.01, 0.005, 1)), b = row_of("x", drawn(1.3e-4, 0.01, 0.005, 2));
  a.canary_seconds = 1e-4, b.canary_seconds = 1.25e-4;
  EXPECT_EQ(verdict_of(a, b), Verdict::unstable);
  b.canary_seconds = 1.02e-4;
  EXPECT_EQ(verdict_of(a, b), Verdict::slower);
  a.flush_seconds = 1e-2, b.flush_seconds = 1.3e-2;
  EXPECT_EQ(verdict_of(a, b), Verdict::unstable);
}

TEST(Compare, RoundsThatOverlapDecideNothing) {
  Row a = row_of("x", {{1, 1, 1}, {1, 1, 1}, {1.4, 1.4, 1.4}}),
      b = row_of("x", {{1.2, 1.2, 1.2}, {1.3, 1.3, 1.3}, {1.3, 1.3, 1.3}});
  EXPECT_EQ(verdict_of(a, b), Verdict::unstable);
}

TEST(Compare, WrongAndMissing) {
  Row a = row_of("x", drawn(1e-4, 0.01, 0.005, 1)), wrong = row_of("x", {});
  wrong.status = Status::invalid, wrong.why = "worst [3,4]";
  EXPECT_EQ(verdict_of(a, wrong), Verdict::invalid);
  wrong.status = Status::left_out;
  EXPECT_EQ(verdict_of(a, wrong), Verdict::missing);
  EXPECT_TRUE(compare_rows({a}, {row_of("y", a.seconds)}, {}).empty());
}

TEST(Disturbance, IsNamed) {
  const Rounds steady(3, std::vector<double>(10, 1.0));
  EXPECT_EQ(disturbance_in(steady, {1, 1.01}, 0, 0), "");
  EXPECT_NE(disturbance_in(steady, {1, 1.2}, 0, 0).find("clock"), std::string::npos);
  EXPECT_NE(disturbance_in(steady, {}, 16, 0).find("16 of 30"), std::string::npos);
  EXPECT_NE(disturbance_in(steady, {}, 0, 0.1).find("hypervisor"), std::string::npos);
  Rounds drifting = steady;
  for (double& s : drifting[2]) s = 1.2;
  EXPECT_NE(disturbance_in(drifting, {}, 0, 0).find("slower than the first"), std::string::npos);
}

}  // namespace
}  // namespace glmv::bench
