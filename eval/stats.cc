#include "eval/stats.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>

#include "reference/core/error.h"

namespace glmv::eval {
namespace {

/// SplitMix64 (Steele, Lea, Flood 2014): the standard library's distributions differ between implementations.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }
  /// Uniform in 0 .. n-1, without the bias of a remainder.
  size_t below(size_t n) { return static_cast<size_t>(static_cast<unsigned __int128>(next()) * n >> 64); }

 private:
  uint64_t state_;
};

/// Linear between order statistics, as numpy's default.
double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
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
  Random random(seed);
  std::vector<double> found;
  std::vector<size_t> drawn;
  for (int r = 0; r < resamples; ++r) {
    drawn.clear();
    for (size_t i = 0; i < clusters.size(); ++i) {
      const std::vector<size_t>& cluster = clusters[random.below(clusters.size())];
      drawn.insert(drawn.end(), cluster.begin(), cluster.end());
    }
    if (const auto value = statistic(drawn)) found.push_back(*value);
  }
  if (found.empty()) return std::nullopt;
  std::sort(found.begin(), found.end());
  return Interval{quantile(found, (1 - confidence) / 2), quantile(found, (1 + confidence) / 2)};
}

double mcnemar(int64_t only_first, int64_t only_second) {
  const int64_t n = only_first + only_second;
  if (n == 0) return 1;
  const boost::math::binomial half(static_cast<double>(n), 0.5);
  const double tail = boost::math::cdf(half, static_cast<double>(std::min(only_first, only_second)));
  return std::min(1.0, 2 * tail);
}

}  // namespace glmv::eval
