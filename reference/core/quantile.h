// Quantiles of measured values.
#pragma once

#include <algorithm>
#include <vector>

namespace glmv {

/// Linear between order statistics, as numpy's default. `sorted` ascends and is not empty; share in [0, 1].
inline double quantile_of_sorted(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace glmv
