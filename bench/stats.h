// Statistics of samples: quantiles, and tests whether two sets of them differ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace glmv::bench {

/// Linear between the two nearest of the sorted values, as numpy's default. Error for no values.
double quantile(std::vector<double> values, double q);
inline double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

/// Two-sided p of the Mann-Whitney test: do the values of one set tend to be larger? Counted exactly for up to 20
/// values on a side without ties, else by the normal approximation, corrected for ties and continuity. 1 where a set is
/// empty.
double mann_whitney(const std::vector<double>& a, const std::vector<double>& b);

/// The smallest p that the test can give for so many values.
double least_p(std::size_t na, std::size_t nb);

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
