#include "reference/core/compare.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <sstream>

namespace glmv {
namespace {

int64_t rows_of(const ConstTensorView& v) { return v.rank == 0 ? 1 : v.dim[0]; }

/// |got - gold|; what only one of the two has (NaN, an infinity) is infinitely far.
double error_of(double gold, double got) {
  if (std::isnan(gold) && std::isnan(got)) return 0;
  if (gold == got) return 0;
  const double error = std::abs(got - gold);
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

/// Sums that turn into relative L2 and cosine.
struct Sums {
  double gold2 = 0, got2 = 0, product = 0, error2 = 0;
  void add(double gold, double got) {
    gold2 += gold * gold, got2 += got * got, product += gold * got, error2 += (got - gold) * (got - gold);
  }
  double relative_l2() const { return error2 == 0 ? 0 : std::sqrt(error2) / std::sqrt(gold2); }
  double cosine() const { return gold2 == 0 && got2 == 0 ? 1 : product / std::sqrt(gold2) / std::sqrt(got2); }
};

/// Value at the 99th percentile (nearest rank).
double percentile99(std::vector<double>& values) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(std::ceil(0.99 * static_cast<double>(values.size()))) - 1;
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<size_t>(at)];
}

/// Root mean square of each row.
std::vector<double> sizes_of(const Tensor& t) {
  const int64_t rows = rows_of(t.view), width = rows == 0 ? 0 : t.view.size() / rows;
  std::vector<double> sizes;
  for (int64_t r = 0; r < rows; ++r) {
    double squares = 0;
    for (int64_t i = r * width; i < (r + 1) * width; ++i) squares += t.data<double>()[i] * t.data<double>()[i];
    sizes.push_back(width == 0 ? 0 : std::sqrt(squares / static_cast<double>(width)));
  }
  return sizes;
}

bool is_left_out(const std::vector<bool>& rows, size_t row) { return !rows.empty() && rows[row]; }

/// `noise_of_row` holds factor * noise already; `ulps` is how many ulps of rounding are granted on top.
Comparison measure(const Tensor& gold, const Tensor& got, DType unit, const std::vector<double>& noise_of_row,
                   double ulps, const std::vector<bool>& left_out = {}) {
  Comparison c;
  c.elements = gold.view.size();
  c.rows_left_out = std::count(left_out.begin(), left_out.end(), true);
  if (c.elements == 0) return c;
  const std::vector<double> sizes = sizes_of(gold);
  const int64_t width = c.elements / static_cast<int64_t>(sizes.size());
  std::vector<double> distances(static_cast<size_t>(c.elements)), of_rows(distances.size());
  Sums sums;
  double worst_rank = 0;
  for (int64_t i = 0; i < c.elements; ++i) {
    const auto row = static_cast<size_t>(i / width);
    if (is_left_out(left_out, row)) continue;
    const double want = gold.data<double>()[i], have = got.data<double>()[i];
    const double error = error_of(want, have), ulp = ulp_at(unit, want);
    const double allowed = ulps * ulp + noise_of_row[row];
    const double excess = error == 0 ? 0 : error / allowed;
    const double ulps_off = std::isinf(error) ? error : error / ulp;  // the ulp of an infinity is infinite too
    c.peak_ulp = std::max(c.peak_ulp, distances[static_cast<size_t>(i)] = ulps_off);
    const double size = std::isfinite(sizes[row]) ? std::max(std::abs(want), sizes[row]) : want;
    c.peak_row_ulp = std::max(c.peak_row_ulp, of_rows[static_cast<size_t>(i)] = error / ulp_at(unit, size));
    c.bad += !(error <= allowed) || (error > 0 && std::isinf(noise_of_row[row]));  // infinite noise excuses nothing
    const double rank = ulps == 0 ? error / ulp : excess;                          // nothing is allowed: the furthest
    if (c.worst < 0 || rank > worst_rank) {
      worst_rank = rank;
      c.excess = excess, c.worst = i, c.gold = want, c.got = have, c.allowed = allowed, c.allowed_ulp = allowed / ulp;
    }
    sums.add(want, have);
  }
  c.p99_ulp = percentile99(distances);
  c.p99_row_ulp = percentile99(of_rows);
  c.relative_l2 = sums.relative_l2();
  c.cosine = sums.cosine();
  return c;
}

/// The relative error that no more than a twentieth of the rows exceed.
double usual_of(const std::vector<double>& noise, const std::vector<double>& sizes, const std::vector<bool>& left_out) {
  constexpr double kUsual = 0.95;
  std::vector<double> relative;
  for (size_t r = 0; r < noise.size(); ++r) {
    if (!is_left_out(left_out, r) && sizes[r] > 0 && std::isfinite(sizes[r]) && std::isfinite(noise[r]))
      relative.push_back(noise[r] / sizes[r]);
  }
  if (relative.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(std::ceil(kUsual * static_cast<double>(relative.size()))) - 1;
  std::nth_element(relative.begin(), relative.begin() + at, relative.end());
  return relative[static_cast<size_t>(at)];
}

/// Per row the largest error of the legal runs.
std::vector<double> measured_noise(const Tensor& want, const Noise& noise) {
  const int64_t rows = rows_of(want.view), width = rows == 0 ? 0 : want.view.size() / rows;
  std::vector<double> out(static_cast<size_t>(rows), 0.0);
  for (const Tensor& run : noise.legal) {
    GLMV_CHECK(equal_extents(want.view, run.view), "gold ", want.view, ", a legal run ", run.view);
    const Tensor have = f64_of(run.view);
    const double *gold = want.data<double>(), *got = have.data<double>();
    for (double& row : out) {
      for (int64_t i = 0; i < width; ++i) row = std::max(row, error_of(*gold++, *got++));
    }
  }
  return out;
}

/// A floor counts for its own row and no other: it does not enter into what is usual.
void raise_to_floor(const ConstTensorView& floor, std::vector<double>& noise) {
  if (!floor) return;
  GLMV_CHECK(floor.rank == 1 && floor.dim[0] == static_cast<int64_t>(noise.size()), "floor ", floor, " of ",
             noise.size(), " rows");
  const Tensor values = f64_of(floor);
  for (size_t r = 0; r < noise.size(); ++r) noise[r] = std::max(noise[r], values.data<double>()[r]);
}

bool same_number(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }
bool same_number(int64_t a, int64_t b) { return a == b; }

/// Without rounding: not every i64 is a double.
bool same_number(int64_t a, double b) {
  constexpr double kEnd = 9223372036854775808.0;  // 2^63
  return b >= -kEnd && b < kEnd && b == std::trunc(b) && static_cast<int64_t>(b) == a;
}
bool same_number(double a, int64_t b) { return same_number(b, a); }

/// A, B: double for floats, int64_t for integers.
template <class A, class B>
ExactComparison compare_as(const ConstTensorView& expected, const ConstTensorView& got) {
  Tensor want(DTypeOf<A>::value, expected), have(DTypeOf<B>::value, got);
  convert(expected, want.view);
  convert(got, have.view);
  ExactComparison c;
  c.elements = expected.size();
  for (int64_t i = 0; i < c.elements; ++i) {
    const A a = want.data<A>()[i];
    const B b = have.data<B>()[i];
    if (same_number(a, b)) continue;
    if (c.different++ == 0) c.first = i, c.expected = static_cast<double>(a), c.got = static_cast<double>(b);
  }
  return c;
}

}  // namespace

Tensor f64_of(const ConstTensorView& v) {
  Tensor t(DType::f64, v);
  convert(v, t.view);
  return t;
}

std::vector<double> row_sizes(const ConstTensorView& v) { return sizes_of(f64_of(v)); }

double usual_noise(const ConstTensorView& gold, const Noise& noise) {
  const Tensor want = f64_of(gold);
  return usual_of(measured_noise(want, noise), sizes_of(want), noise.no_ruler);
}

std::vector<bool> rows_without_ruler(const ConstTensorView& gold, const std::vector<Tensor>& legal) {
  if (gold.rank < 2 || gold.size() == 0) return {};
  const Tensor want = f64_of(gold);
  const std::vector<double> sizes = sizes_of(want);
  std::vector<bool> out(sizes.size(), false);
  for (const Tensor& run : legal) {
    GLMV_CHECK(equal_extents(gold, run.view), "gold ", gold, ", a legal run ", run.view);
    Tensor errors = f64_of(run.view);
    for (int64_t i = 0; i < gold.size(); ++i) errors.data<double>()[i] -= want.data<double>()[i];
    const std::vector<double> wrong = sizes_of(errors);
    // NaN, which an overflow leaves, is not below the row's size either.
    for (size_t r = 0; r < out.size(); ++r) out[r] = out[r] || !(wrong[r] < sizes[r] || wrong[r] == 0);
  }
  return out;
}

std::vector<double> row_noise(const ConstTensorView& gold, const Noise& noise) {
  if (gold.size() == 0) return {};  // however many rows of nothing
  const Tensor want = f64_of(gold);
  std::vector<double> out = measured_noise(want, noise);
  const std::vector<double> sizes = sizes_of(want);
  const double usual = std::max(noise.usual, usual_of(out, sizes, noise.no_ruler));
  for (size_t r = 0; r < out.size(); ++r) {
    if (std::isfinite(sizes[r])) out[r] = std::max(out[r], usual * sizes[r]);
  }
  raise_to_floor(noise.row_floor, out);
  return out;
}

Comparison compare(const ConstTensorView& gold, const ConstTensorView& got, const Noise& noise) {
  GLMV_CHECK(equal_extents(gold, got), "gold ", gold, ", got ", got);
  std::vector<double> rows = row_noise(gold, noise);
  for (double& r : rows) r *= noise.factor;
  return measure(f64_of(gold), f64_of(got), noise.rounded_to, rows, 1, noise.no_ruler);
}

Comparison distance(const ConstTensorView& a, const ConstTensorView& b, DType unit) {
  GLMV_CHECK(equal_extents(a, b), "one is ", a, ", the other ", b);
  const int64_t rows = a.size() == 0 ? 0 : rows_of(a);
  return measure(f64_of(a), f64_of(b), unit, std::vector<double>(static_cast<size_t>(rows), 0.0), 0);
}

ExactComparison compare_exact(const ConstTensorView& expected, const ConstTensorView& got) {
  GLMV_CHECK(equal_extents(expected, got), "expected ", expected, ", got ", got);
  if (is_float(expected.dtype)) {
    return is_float(got.dtype) ? compare_as<double, double>(expected, got) : compare_as<double, int64_t>(expected, got);
  }
  return is_float(got.dtype) ? compare_as<int64_t, double>(expected, got) : compare_as<int64_t, int64_t>(expected, got);
}

std::string index_text(const ConstTensorView& v, int64_t flat) {
  if (v.rank == 0) return "[]";
  std::vector<int64_t> index(static_cast<size_t>(v.rank));
  for (int axis = v.rank - 1; axis >= 0; --axis) {
    index[static_cast<size_t>(axis)] = flat % v.dim[axis];
    flat /= v.dim[axis];
  }
  std::ostringstream out;
  for (size_t i = 0; i < index.size(); ++i) out << (i == 0 ? "[" : ",") << index[i];
  out << ']';
  return out.str();
}

namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();

/// Per group the sum of its two largest values (its only one, if it has one), or its largest.
std::vector<double> group_values(const std::vector<double>& scores, const RoutingRule& rule) {
  const auto groups = static_cast<size_t>(rule.n_group);
  const size_t size = scores.size() / groups;
  std::vector<double> out;
  for (size_t g = 0; g < groups; ++g) {
    std::vector<double> members(scores.begin() + static_cast<std::ptrdiff_t>(g * size),
                                scores.begin() + static_cast<std::ptrdiff_t>((g + 1) * size));
    std::sort(members.begin(), members.end(), std::greater<>());
    out.push_back(size > 1 && !rule.groups_by_maximum ? members[0] + members[1] : members[0]);
  }
  return out;
}

/// Largest value outside the set minus smallest inside it.
double gap_of(const std::vector<double>& values, const std::vector<bool>& inside, const std::vector<bool>& eligible) {
  double smallest = std::numeric_limits<double>::infinity(), largest = kNone;
  for (size_t i = 0; i < values.size(); ++i) {
    if (inside[i]) smallest = std::min(smallest, values[i]);
    if (!inside[i] && eligible[i]) largest = std::max(largest, values[i]);
  }
  return largest == kNone ? kNone : largest - smallest;
}

/// The n largest; of equal values the lower index.
std::vector<bool> top(const std::vector<double>& values, size_t n) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
  std::vector<bool> in(values.size(), false);
  for (size_t i = 0; i < n && i < order.size(); ++i) in[order[i]] = true;
  return in;
}

}  // namespace

RoutingVerdict judge_routing(const std::vector<double>& scores, const std::vector<int64_t>& chosen,
                             const RoutingRule& rule, double slack) {
  const size_t groups = static_cast<size_t>(rule.n_group), size = scores.size() / groups;
  std::vector<bool> expert_in(scores.size(), false), group_used(groups, false);
  for (int64_t e : chosen) {
    GLMV_CHECK(e >= 0 && static_cast<size_t>(e) < scores.size(), "expert ", e, " of ", scores.size());
    expert_in[static_cast<size_t>(e)] = true;
    group_used[static_cast<size_t>(e) / size] = true;
  }
  // Groups that must have been kept are those with a chosen expert; further ones are filled up with the best.
  const std::vector<double> group_value = group_values(scores, rule);
  std::vector<double> ranked = group_value;
  for (size_t g = 0; g < groups; ++g) {
    if (group_used[g]) ranked[g] = std::numeric_limits<double>::infinity();
  }
  const std::vector<bool> kept = top(ranked, static_cast<size_t>(rule.topk_group));
  RoutingVerdict verdict;
  verdict.gap = gap_of(group_value, kept, std::vector<bool>(groups, true));
  std::vector<bool> eligible(scores.size());
  for (size_t e = 0; e < scores.size(); ++e) eligible[e] = kept[e / size];
  verdict.gap = std::max(verdict.gap, gap_of(scores, expert_in, eligible));
  const auto used = static_cast<int64_t>(std::count(group_used.begin(), group_used.end(), true));
  const auto distinct = static_cast<size_t>(std::count(expert_in.begin(), expert_in.end(), true));
  verdict.groups = used;
  verdict.legal = verdict.gap <= slack && used <= rule.topk_group && distinct == chosen.size();
  // Gold's own choice, by the same rule with the true group ranking.
  const std::vector<bool> own_groups = top(group_value, static_cast<size_t>(rule.topk_group));
  std::vector<double> own = scores;
  for (size_t e = 0; e < own.size(); ++e) {
    if (!own_groups[e / size]) own[e] = kNone;
  }
  verdict.flipped = top(own, chosen.size()) != expert_in;
  return verdict;
}

}  // namespace glmv
