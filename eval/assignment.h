// The cheapest assignment of rows to columns.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace glmv {

/// A dense matrix of costs, row by row.
struct Costs {
  size_t rows = 0, columns = 0;
  std::vector<double> values;
  double& at(size_t i, size_t j) { return values[i * columns + j]; }
  double at(size_t i, size_t j) const { return values[i * columns + j]; }
};

/// Pairs (row, column) of least total cost, min(rows, columns) of them, in order of the rows. Among equally cheap
/// assignments the one that SciPy's linear_sum_assignment gives: shortest augmenting paths (Crouse, 2016), which
/// prefers a column that is free.
/// Cost  O(min²·max)
std::vector<std::pair<size_t, size_t>> cheapest_assignment(const Costs& costs);

}  // namespace glmv
