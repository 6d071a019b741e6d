// How sure a score is, and whether two runs differ by more than chance.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace glmv::eval {

struct Interval {
  double low = 0, high = 0;
  bool holds(double x) const { return low <= x && x <= high; }
};

/// Wilson's score interval for `right` of `n`, as shares. Source: E. B. Wilson, 1927. Error for n <= 0 or right outside
/// 0..n.
Interval wilson(int64_t right, int64_t n, double confidence = 0.95);

/// Percentile interval of `statistic` over resamples in which whole clusters are drawn with replacement. clusters[c]
/// holds the indices of cluster c; a resample's statistic may be absent (it cannot be formed) and is then left out.
/// Nothing if there are fewer than two clusters or no statistic. Equal seeds give equal intervals on every machine.
std::optional<Interval> clustered_bootstrap(
    const std::vector<std::vector<size_t>>& clusters,
    const std::function<std::optional<double>(const std::vector<size_t>&)>& statistic, uint64_t seed,
    int resamples = 1000, double confidence = 0.95);

/// McNemar's exact test, two-sided: `only_first` samples are right in the first run only, `only_second` in the second.
/// 1 if there are none of either.
double mcnemar(int64_t only_first, int64_t only_second);

}  // namespace glmv::eval
