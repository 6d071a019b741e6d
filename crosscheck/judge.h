// One point at a time: theirs against gold, with the noise that our own legal runs show.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crosscheck/mistakes.h"
#include "crosscheck/record.h"
#include "crosscheck/theirs.h"
#include "reference/core/compare.h"

namespace glmv {

enum class PointKind {
  given,      ///< taken from the trace as input, nothing to compare
  exact,      ///< ids, positions, pixels we computed ourselves: any difference is a departure
  noise,      ///< floats: within 1 ulp and twice the measured noise
  routing,    ///< chosen experts: legal within the measured error of the scores
  sampled,    ///< a greedy token: its logit may be below the largest by no more than both are uncertain
  misshapen,  ///< of another shape than ours: a departure, but none of numbers
  unjudged    ///< our own runs have no digit right in any row (an overflow), so their noise is no ruler
};

/// Choices of experts at one router, token by token.
struct RouterAgreement {
  int64_t tokens = 0;   ///< judged ones
  int64_t equal = 0;    ///< chose as gold does
  int64_t flipped = 0;  ///< otherwise, within the margin that the scores' noise leaves
  int64_t beyond = 0;   ///< otherwise, beyond it
  /// Smallest distance, in scores, between an expert chosen and one left out.
  double smallest_margin = std::numeric_limits<double>::infinity();
  double uncertain = 0;  ///< largest measured error of a score
};

struct PointResult {
  std::string name;
  int stage = 0;
  PointKind kind = PointKind::noise;
  bool within = true;
  std::string detail;               ///< a sentence for a departure, or why it was not judged
  std::string layout;               ///< how theirs was read if not as it lies ("the last token's row")
  Comparison theirs;                ///< against gold (noise)
  double differing = 0;             ///< exact: share of its elements that differ
  double noise_ulp = 0;             ///< peak of our own run in the same type, in the ulps of theirs.row_ulp
  double floor_share = 0;           ///< largest ratio of a floor that the trace brings to the noise of our own runs
  bool ours_within = true;          ///< our own run judged the same way, with theirs as the ruler
  int64_t flips = 0;                ///< routing: tokens that legally chose otherwise than gold
  RouterAgreement router;           ///< routing: all of its tokens
  int64_t unjudged_rows = 0;        ///< rows where our own runs break down
  std::vector<int64_t> shape;       ///< of theirs, as it lies
  DType stored = DType::f32;        ///< type of theirs
  double floor_l2 = 0;              ///< noise: |our run - gold| / |gold|, to be held against theirs.relative_l2
  std::vector<float> row_excess{};  ///< noise, of a departure: per row the largest error as a multiple of allowed
  std::string why_unjudged{};       ///< of rows that were not judged, a sentence
  bool not_on_first_rank = false;   ///< departs, but not on the rank that everything else is read from
  void departs(std::string why) { within = false, detail = std::move(why); }
  bool compared() const { return kind != PointKind::given && kind != PointKind::unjudged; }
};

/// Our runs of one script: gold in f64, and the legal runs that measure the noise.
struct Runs {
  Recording gold, ours;
  std::vector<Recording> other_orders;
  DType activation = DType::f32;  ///< of all but gold
  RouterVariant router;           ///< of a mistake that is built in
  /// By point: rows from this one on are not known, and why. Only of runs that cannot follow another choice of experts.
  std::map<std::string, std::pair<int64_t, std::string>> unknown_from{};
  std::vector<std::string> all_points;  ///< every name the gold run came by, recorded or not
};

/// Inputs of the run: the trace's own are taken, so there is nothing to compare unless we preprocessed them too.
bool is_input(std::string_view point);

/// A tensor of theirs in the extents of ours: heads side by side are taken apart, and where only the last row is there
/// it goes to ours from `first_row` on.
struct Placement {
  ConstTensorView theirs;
  int64_t first_row = 0;
};
/// Nothing if it is of another shape or holds no floats.
std::optional<Placement> placement(std::string_view point, const ConstTensorView& theirs, const ConstTensorView& ours);

class Judge {
 public:
  /// model: with the mistakes that are built into our runs; mistake: one of them, or null. All must outlive the judge.
  Judge(const Model& model, const Theirs& theirs, const Runs& runs, const Mistake* mistake)
      : model_(model), theirs_(theirs), runs_(runs), mistake_(mistake) {}

  /// A point that both sides have. Where ranks differ each is judged, and the worst is told of. Error (exit code 3): a
  /// floor that does not fit it.
  PointResult point(const std::string& name) const;
  /// The same without other ranks than the first.
  PointResult on_first_rank(const std::string& name) const;

  /// Our own preprocessing of the same media against the trace's inputs, on every rank.
  PointResult preprocessed(const std::string& name, const Tensor& ours) const;

  /// The token that was fed to pass `step` against the logits of the pass before.
  PointResult sampled(int64_t step, int64_t token) const;

 private:
  const ConstTensorView& their(const std::string& name) const;
  PointResult worst_rank(const std::string& name, const std::function<PointResult(const Judge&)>& judged) const;
  PointResult same_input_on_all(PointResult first) const;
  void exact(const ConstTensorView& ours, PointResult& r) const;
  void noise(PointResult& r) const;
  void routing(PointResult& r) const;
  std::string illegal_choice(const RoutingVerdict& v, const RoutingRule& rule, int64_t token, double error) const;
  void leave_out(int64_t rows, int64_t of, PointResult& r) const;
  std::string why_no_ruler(const std::string& name) const;
  Noise ruler(const std::string& name) const;
  double allowed_of_row(const std::string& name, double at) const;
  std::vector<Tensor> measured_logits(const std::string& name, const Noise& n) const;
  Tensor f64_bias(int64_t layer) const;

  const Model& model_;
  const Theirs& theirs_;
  const Runs& runs_;
  const Mistake* mistake_;
  std::string rank_;  ///< who of theirs_.ranks is judged; empty: the first rank
};

}  // namespace glmv
