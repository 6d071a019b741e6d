#include "eval/assignment.h"

#include <algorithm>
#include <limits>

namespace glmv {
namespace {

constexpr size_t kNone = std::numeric_limits<size_t>::max();

/// For at most as many rows as columns.
class Assignment {
 public:
  explicit Assignment(const Costs& costs)
      : costs_(costs),
        row_dual_(costs.rows, 0),
        column_dual_(costs.columns, 0),
        column_of_(costs.rows, kNone),
        row_of_(costs.columns, kNone) {}

  std::vector<size_t> columns() {
    for (size_t row = 0; row < costs_.rows; ++row) add(row);
    return column_of_;
  }

 private:
  /// Gives `first` a column along the shortest augmenting path.
  void add(size_t first) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    std::vector<double> shortest(costs_.columns, kInfinity);
    std::vector<size_t> from(costs_.columns, kNone), open(costs_.columns);
    std::vector<bool> in_rows(costs_.rows, false), in_columns(costs_.columns, false);
    for (size_t k = 0; k < costs_.columns; ++k) open[k] = costs_.columns - 1 - k;  // ties: the identity for equal costs
    double least = 0;
    size_t row = first, sink = kNone;
    while (sink == kNone) {
      in_rows[row] = true;
      const size_t best = nearest(row, least, open, shortest, from);
      const size_t column = open[best];
      least = shortest[column];
      if (row_of_[column] == kNone) {
        sink = column;
      } else {
        row = row_of_[column];
      }
      in_columns[column] = true;
      open[best] = open.back();
      open.pop_back();
    }
    update_duals(first, least, shortest, in_rows, in_columns);
    for (size_t column = sink, i = kNone; i != first;) {
      i = from[column];
      row_of_[column] = i;
      std::swap(column, column_of_[i]);
    }
  }

  /// Relaxes all open columns from `row`; the place in `open` of the nearest one, a free one among equals.
  size_t nearest(size_t row, double so_far, const std::vector<size_t>& open, std::vector<double>& shortest,
                 std::vector<size_t>& from) const {
    size_t best = kNone;
    double lowest = std::numeric_limits<double>::infinity();
    for (size_t k = 0; k < open.size(); ++k) {
      const size_t j = open[k];
      const double distance = so_far + costs_.at(row, j) - row_dual_[row] - column_dual_[j];
      if (distance < shortest[j]) from[j] = row, shortest[j] = distance;
      if (shortest[j] < lowest || (shortest[j] == lowest && row_of_[j] == kNone)) lowest = shortest[j], best = k;
    }
    return best;
  }

  void update_duals(size_t first, double least, const std::vector<double>& shortest, const std::vector<bool>& in_rows,
                    const std::vector<bool>& in_columns) {
    row_dual_[first] += least;
    for (size_t i = 0; i < costs_.rows; ++i) {
      if (in_rows[i] && i != first) row_dual_[i] += least - shortest[column_of_[i]];
    }
    for (size_t j = 0; j < costs_.columns; ++j) {
      if (in_columns[j]) column_dual_[j] -= least - shortest[j];
    }
  }

  const Costs& costs_;
  std::vector<double> row_dual_, column_dual_;
  std::vector<size_t> column_of_, row_of_;
};

Costs transposed(const Costs& costs) {
  Costs out{costs.columns, costs.rows, std::vector<double>(costs.values.size())};
  for (size_t i = 0; i < costs.rows; ++i) {
    for (size_t j = 0; j < costs.columns; ++j) out.at(j, i) = costs.at(i, j);
  }
  return out;
}

}  // namespace

std::vector<std::pair<size_t, size_t>> cheapest_assignment(const Costs& costs) {
  const bool tall = costs.rows > costs.columns;
  const Costs wide = tall ? transposed(costs) : costs;
  const std::vector<size_t> columns = Assignment(wide).columns();
  std::vector<std::pair<size_t, size_t>> pairs;
  for (size_t i = 0; i < columns.size(); ++i) pairs.emplace_back(tall ? columns[i] : i, tall ? i : columns[i]);
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

}  // namespace glmv
