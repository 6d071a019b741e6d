// Statistics of samples: quantiles, and tests whether two sets of them differ.
#pragma once

#include <cstdint>
#include <vector>

namespace glmv::bench {

/// Linear between the two nearest of the sorted values, as numpy's default. Error for no values.
double quantile(std::vector<double> values, double q);
inline double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

/// Two-sided p of the Mann-Whitney test by its normal approximation, corrected for ties and continuity: do the values
/// of one set tend to be larger? 1 where a set is empty.
double mann_whitney(const std::vector<double>& a, const std::vector<double>& b);

/// Holm's correction: p values of which the smallest may be compared with a level as if it were the only one.
std::vector<double> holm(const std::vector<double>& p);

/// Rounds of samples, taken at different times.
using Rounds = std::vector<std::vector<double>>;
std::vector<double> pooled(const Rounds& rounds);

struct Interval {
  double low = 0, high = 0;
};
/// Of median(b) / median(a), by resampling rounds and then samples within them: what varies between rounds counts, not
/// only what varies inside one. Deterministic.
Interval ratio_interval(const Rounds& a, const Rounds& b, double level);

}  // namespace glmv::bench
