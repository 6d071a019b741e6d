// The comparator: how far a tensor is from gold, and how far it may be. No tolerance is typed anywhere.
//
//   allowed(i) = 1 ulp of the output type at |gold_i|  +  factor * the noise of its row
//   noise of a row = the largest error of legal runs within it, or what is usual for a row of its size if that is more
//
// A row of a small model has few elements, and the largest of few errors says little: among thousands of rows some are
// lucky. Usual is the error, relative to the row's root mean square, that no more than a twentieth of the tensor's rows
// exceed: among fewer than twenty rows the largest.
// A legal run is one that computes the same thing with the same rounding points: the reference in its own type, the
// reference with another order of summation, other correct programs. A row is one index of the first axis (a token, a
// patch); a vector is one row per element. Gold is the reference in f64 on inputs that were rounded to their type.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "reference/core/arena.h"

namespace glmv {

/// What was found. Ulps are of the type that the result was rounded to, at |gold|.
struct Comparison {
  int64_t elements = 0;
  int64_t bad = 0;  ///< outside what is allowed; a NaN or infinity that gold lacks always is
  int64_t rows_left_out = 0;
  double peak_ulp = 0;
  double peak_row_ulp = 0;  ///< the same in ulps at the row's root mean square where |gold| is less: finite near zero
  double p99_ulp = 0, p99_row_ulp = 0;
  double allowed_ulp = 0;  ///< at the worst element
  double relative_l2 = 0;  ///< |got - gold| / |gold|
  double cosine = 1;
  double excess = 0;                      ///< largest |got - gold| / allowed: above 1 is a departure
  int64_t worst = -1;                     ///< flat row-major index of that element
  double gold = 0, got = 0, allowed = 0;  ///< there

  bool within() const { return bad == 0; }
};

/// What decides how much is allowed.
struct Noise {
  DType rounded_to = DType::f32;  ///< the type of one ulp: what the result was stored as
  std::vector<Tensor> legal;      ///< runs of gold's extents, any float type
  ConstTensorView row_floor;      ///< f32 or f64 [rows]: a measured distance to count like a legal run's; or empty
  double factor = 2;              ///< 3 for gradients
  double usual = 0;               ///< a relative error known to be usual for such rows, from a tensor with more of them
  std::vector<bool> no_ruler;     ///< rows to be left out, as rows_without_ruler() names them; empty = none
};

/// Rows in which a legal run is no nearer to gold than zeros would be: after an overflow its error is no rounding, and
/// no measure of it. For two axes or more; single elements may cancel to nothing.
std::vector<bool> rows_without_ruler(const ConstTensorView& gold, const std::vector<Tensor>& legal);

/// The same values in f64, in memory of its own.
Tensor f64_of(const ConstTensorView& v);

/// Root mean square of each row.
std::vector<double> row_sizes(const ConstTensorView& v);

/// The usual relative error of gold's rows, as row_noise uses it.
double usual_noise(const ConstTensorView& gold, const Noise& noise);

/// Per row of gold: its noise, from the legal runs and the floor; of rows that are left out it means nothing. f64
/// [rows].
std::vector<double> row_noise(const ConstTensorView& gold, const Noise& noise);

/// Compares got with gold. Extents must be equal; gold is f64, got any float type.
Comparison compare(const ConstTensorView& gold, const ConstTensorView& got, const Noise& noise);

/// Only the distances: b against a in ulps of `unit`, allowed is zero, so any difference is bad.
Comparison distance(const ConstTensorView& a, const ConstTensorView& b, DType unit);

/// Number of elements that differ (integers and floats by value, NaN equals NaN), and the first of them. Integers are
/// not rounded to floats, which do not hold all of them.
struct ExactComparison {
  int64_t elements = 0, different = 0, first = -1;
  double expected = 0, got = 0;  ///< there, as near as a double comes
};
ExactComparison compare_exact(const ConstTensorView& expected, const ConstTensorView& got);

/// "[3,17,5]" of a flat row-major index.
std::string index_text(const ConstTensorView& v, int64_t flat);

/// May a router have chosen these experts? f64 scores of one token: sigmoid(logits), and the same plus bias.
struct RoutingRule {
  int64_t n_group = 1, topk_group = 1;
  bool groups_by_maximum = false;  ///< a mistake: groups are ranked by their best expert, not by the sum of two
};
struct RoutingVerdict {
  bool legal = true;     ///< nothing unchosen beats a chosen one by more than `slack`
  bool flipped = false;  ///< but it is not gold's own choice
  int64_t groups = 0;    ///< with a chosen expert
  double gap = 0;        ///< largest unchosen minus smallest chosen value, groups or experts, whichever is worse
};
/// `slack`: twice the measured error of a score. `chosen` ascends.
RoutingVerdict judge_routing(const std::vector<double>& choice_scores, const std::vector<int64_t>& chosen,
                             const RoutingRule& rule, double slack);

}  // namespace glmv
