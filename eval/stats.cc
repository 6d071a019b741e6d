#include "eval/stats.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>

#include "reference/core/error.h"
#include "reference/core/quantile.h"
#include "reference/core/splitmix.h"

namespace glmv::eval {
namespace {

/// Uniform in 0 .. n-1, without the bias of a remainder.
size_t below(size_t n, SplitMix64& random) {
  return static_cast<size_t>(static_cast<unsigned __int128>(random.next()) * n >> 64);
}

}  // namespace

Interval wilson(int64_t right, int64_t n, double confidence) {
  GLMV_CHECK(n > 0 && right >= 0 && right <= n, right, " of ", n);
  const double z = boost::math::quantile(boost::math::normal(), 0.5 + confidence / 2);
  const auto count = static_cast<double>(n);
  const double p = static_cast<double>(right) / count, z2 = z * z / count;
  const double centre = (p + z2 / 2) / (1 + z2),
               half = z * std::sqrt(p * (1 - p) / count + z2 / (4 * count)) / (1 + z2);
  // Rounding must not push the bound of a perfect score past what it is.
  return {right == 0 ? 0 : std::max(0.0, centre - half), right == n ? 1 : std::min(1.0, centre + half)};
}

std::optional<Interval> clustered_bootstrap(
    const std::vector<std::vector<size_t>>& clusters,
    const std::function<std::optional<double>(const std::vector<size_t>&)>& statistic, uint64_t seed, int resamples,
    double confidence) {
  if (clusters.size() < 2) return std::nullopt;
  SplitMix64 random(seed);
  std::vector<double> found;
  std::vector<size_t> drawn;
  for (int r = 0; r < resamples; ++r) {
    drawn.clear();
    for (size_t i = 0; i < clusters.size(); ++i) {
      const std::vector<size_t>& cluster = clusters[below(clusters.size(), random)];
      drawn.insert(drawn.end(), cluster.begin(), cluster.end());
    }
    if (const auto value = statistic(drawn)) found.push_back(*value);
  }
  if (found.empty()) return std::nullopt;
  std::sort(found.begin(), found.end());
  return Interval{quantile_of_sorted(found, (1 - confidence) / 2), quantile_of_sorted(found, (1 + confidence) / 2)};
}

double mcnemar(int64_t only_first, int64_t only_second) {
  const int64_t n = only_first + only_second;
  if (n == 0) return 1;
  const boost::math::binomial half(static_cast<double>(n), 0.5);
  const double tail = boost::math::cdf(half, static_cast<double>(std::min(only_first, only_second)));
  return std::min(1.0, 2 * tail);
}

}  // namespace glmv::eval
