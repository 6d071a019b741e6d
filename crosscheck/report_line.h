// A row of a report: what the points of a stage come to.
#pragma once

#include <algorithm>

#include "crosscheck/crosscheck.h"

namespace glmv {

/// What a stage's or a point's numbers come to: of several points the largest, column by column.
struct Line {
  int64_t compared = 0, within = 0, floats = 0, given = 0, unjudged = 0, isolated = 0, here = 0;
  double peak_ulp = 0, p99_ulp = 0, relative_l2 = 0, floor_l2 = 0, excess = 0;

  void add(const PointResult& p) {
    given += p.kind == PointKind::given;
    unjudged += p.unjudged_rows > 0;
    compared += p.compared();
    within += p.compared() && p.within;
    if (p.kind != PointKind::noise) return;
    ++floats;
    peak_ulp = std::max(peak_ulp, p.theirs.peak_row_ulp);
    p99_ulp = std::max(p99_ulp, p.theirs.p99_row_ulp);
    relative_l2 = std::max(relative_l2, p.theirs.relative_l2);
    floor_l2 = std::max(floor_l2, p.floor_l2);
    excess = std::max(excess, p.theirs.excess);
  }
  void add(const IsolatedPoint& p) {
    ++isolated;
    here += p.born == Born::here || p.born == Born::no_input;
  }
};

/// All points of a stage.
inline Line line_of(const CrosscheckReport& r, int stage) {
  Line line;
  for (const PointResult& p : r.points) {
    if (p.stage != stage) continue;
    line.add(p);
    const IsolatedPoint* isolated = r.isolation ? r.isolation->find(p.name) : nullptr;
    if (isolated != nullptr) line.add(*isolated);
  }
  return line;
}

}  // namespace glmv
