// Start at Judge::point().
#include "crosscheck/judge.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "crosscheck/stages.h"

namespace glmv {
namespace {

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

ConstTensorView last_row(const ConstTensorView& v) { return slice(v, 0, v.dim[0] - 1, v.dim[0]); }

/// Many engines compute the last token's logits only.
bool is_last_row_of(std::string_view point, const ConstTensorView& theirs, const ConstTensorView& gold) {
  const bool at_the_end = point == "logits" || point == "model.language_model.norm";
  if (theirs.rank == 1) return at_the_end && theirs.dim[0] == gold.dim[1];
  return at_the_end && theirs.rank == 2 && theirs.dim[0] == 1 && gold.dim[0] > 1 && theirs.dim[1] == gold.dim[1];
}

/// [T, heads * d] or [1, T, heads * d] where ours is [T, heads, d].
bool has_merged_heads(const ConstTensorView& theirs, const ConstTensorView& gold) {
  if (gold.rank != 3 || theirs.rank < 2 || theirs.size() != gold.size()) return false;
  const bool batched = theirs.rank == 3 && theirs.dim[0] == 1;
  return (theirs.rank == 2 || batched) && theirs.dim[theirs.rank - 2] == gold.dim[0] &&
         theirs.dim[theirs.rank - 1] == gold.dim[1] * gold.dim[2];
}

/// What may have led to another shape.
std::string shape_hint(const ConstTensorView& theirs, const ConstTensorView& gold) {
  if (is_float(gold.dtype) && !is_float(theirs.dtype))
    return concat("; ", name_of(theirs.dtype), " is no type of floats");
  const bool both_planes = theirs.rank == 2 && gold.rank == 2;
  if (both_planes && theirs.dim[0] == gold.dim[1] && theirs.dim[1] == gold.dim[0])
    return "; transposed? A point is [tokens, width]";
  if (theirs.rank == 3 && gold.rank == 3 && theirs.dim[0] == gold.dim[1] && theirs.dim[1] == gold.dim[0])
    return "; heads before tokens? This point is [tokens, heads, head dim]";
  if (theirs.rank + 1 == gold.rank && std::equal(theirs.dim, theirs.dim + theirs.rank, gold.dim + 1))
    return "; the axis of tokens is missing";
  if (theirs.rank == gold.rank && std::equal(theirs.dim + 1, theirs.dim + theirs.rank, gold.dim + 1))
    return concat("; ", theirs.dim[0], " rows instead of ", gold.dim[0], ": a trace is one sequence without padding");
  return "";
}

/// Only the last row of everything; what is usual for a row is still told by all of them.
Noise last_row_of(const ConstTensorView& gold, const Noise& n) {
  Noise last = n;
  last.usual = std::max(n.usual, usual_noise(gold, n));
  for (Tensor& run : last.legal) run = to_host(cpu_backend(), last_row(run.view));
  if (last.row_floor) last.row_floor = last_row(last.row_floor);
  if (!last.no_ruler.empty()) last.no_ruler = {last.no_ruler.back()};
  return last;
}

void check_rows_of_floor(const std::string& label, const std::string& name, const ConstTensorView& floor,
                         const ConstTensorView& gold) {
  const int64_t rows = gold.rank == 0 ? 1 : gold.dim[0];
  if (floor.dim[0] != rows) input_error(label, ": floor/", name, " is ", floor, ", the point has ", rows, " rows");
}

/// A floor is a distance between two correct runs. Where it is as large as the row, no digit of it is known: anything
/// would pass, so nothing is judged there.
void leave_out_drowned_rows(const ConstTensorView& gold, Noise& n) {
  const Tensor distance = f64_of(n.row_floor);
  const std::vector<double> sizes = row_sizes(gold);
  n.no_ruler.resize(sizes.size());
  for (size_t r = 0; r < sizes.size(); ++r) {
    if (!(distance.data<double>()[r] <= sizes[r])) n.no_ruler[r] = true;
  }
}

/// The largest floor in units of what our own runs show for its row.
double share_of_floor(const ConstTensorView& gold, Noise n) {
  if (!n.row_floor) return 0;
  const Tensor floor = f64_of(n.row_floor);
  n.row_floor = {};
  const std::vector<double> own = row_noise(gold, n);
  double share = 0;
  for (size_t r = 0; r < own.size(); ++r) {
    if (own[r] > 0) share = std::max(share, floor.data<double>()[r] / own[r]);
  }
  return share;
}

void describe(const ConstTensorView& theirs, PointResult& r) {
  r.shape.assign(theirs.dim, theirs.dim + theirs.rank);
  r.stored = theirs.dtype;
}

/// Per row, the largest error as a multiple of what is allowed there.
std::vector<float> excess_of_rows(const ConstTensorView& gold, const ConstTensorView& theirs, const Noise& n) {
  const Tensor want = f64_of(gold), got = f64_of(theirs);
  const std::vector<double> noise = row_noise(gold, n);
  std::vector<float> excess(noise.size());
  const int64_t width = noise.empty() ? 0 : want.view.size() / static_cast<int64_t>(noise.size());
  for (size_t row = 0; row < noise.size(); ++row) {
    for (int64_t i = static_cast<int64_t>(row) * width, end = i + width; i < end; ++i) {
      const double g = want.data<double>()[i], error = std::abs(got.data<double>()[i] - g);
      const double allowed = ulp_at(n.rounded_to, g) + n.factor * noise[row];
      const double times = std::isfinite(error) ? error / allowed : std::numeric_limits<float>::max();
      excess[row] = std::max(excess[row], static_cast<float>(times));
    }
  }
  return excess;
}

}  // namespace

std::optional<Placement> placement(std::string_view point, const ConstTensorView& theirs, const ConstTensorView& ours) {
  if (!is_float(theirs.dtype) || !is_float(ours.dtype)) return {};
  if (equal_extents(theirs, ours)) return Placement{theirs};
  if (has_merged_heads(theirs, ours)) return Placement{reshape(theirs, {ours.dim[0], ours.dim[1], ours.dim[2]})};
  if (is_last_row_of(point, theirs, ours)) return Placement{reshape(theirs, {1, ours.dim[1]}), ours.dim[0] - 1};
  return {};
}

bool is_input(std::string_view point) {
  return point == "input_ids" || stage_of(point) == 1 || ends_with(point, "grid_thw");
}

const ConstTensorView& Judge::their(const std::string& name) const {
  const auto others = theirs_.ranks.find(name);
  if (!rank_.empty() && others != theirs_.ranks.end()) {
    for (const HeldByRank& other : others->second) {
      if (other.who == rank_) return other.view;
    }
  }
  return theirs_.points.at(name);
}

PointResult Judge::worst_rank(const std::string& name, const std::function<PointResult(const Judge&)>& judged) const {
  PointResult worst = judged(*this);
  const auto others = theirs_.ranks.find(name);
  if (others == theirs_.ranks.end()) return worst;
  const bool first_within = worst.within;
  std::string who = "rank 0";
  for (const HeldByRank& other : others->second) {
    Judge of_rank = *this;
    of_rank.rank_ = other.who;
    PointResult r = judged(of_rank);
    const auto badness = [](const PointResult& p) {
      return std::tuple(!p.within, p.unjudged_rows, p.differing, p.theirs.excess);
    };
    if (badness(r) > badness(worst)) worst = std::move(r), who = other.who;
  }
  worst.not_on_first_rank = !worst.within && first_within;
  worst.layout += concat(worst.layout.empty() ? "" : ", ", "ranks differ, the worst is ", who);
  if (!worst.within) worst.detail = concat(who, ": ", worst.detail);
  return worst;
}

/// What a run is given is not judged, but it must be the same on all ranks.
PointResult Judge::same_input_on_all(PointResult first) const {
  const auto others = theirs_.ranks.find(first.name);
  if (others == theirs_.ranks.end()) return first;
  const HeldByRank& other = others->second[0];
  const ConstTensorView& view = theirs_.points.at(first.name);
  first.kind = PointKind::exact;
  first.not_on_first_rank = true;
  std::string how = concat(other.view, ", rank 0 ", view);
  if (equal_extents(view, other.view)) {
    const ExactComparison c = compare_exact(view, other.view);
    first.differing = static_cast<double>(c.different) / static_cast<double>(c.elements);
    how = concat(c.different, " of ", c.elements, " elements differ, first ", index_text(view, c.first), ": ", c.got,
                 ", rank 0 has ", c.expected);
  }
  first.departs(concat(other.who, " was given another input than rank 0: ", how));
  return first;
}

PointResult Judge::point(const std::string& name) const {
  if (is_input(split_step(name).point)) return same_input_on_all(on_first_rank(name));
  return worst_rank(name, [&](const Judge& judge) { return judge.on_first_rank(name); });
}

PointResult Judge::on_first_rank(const std::string& name) const {
  PointResult r;
  r.name = name;
  r.stage = stage_of(name);
  describe(their(name), r);
  const std::string local = split_step(name).point;
  if (is_input(local)) {
    r.kind = PointKind::given;
    return r;
  }
  const ConstTensorView gold = runs_.gold.get(name).view, theirs = their(name);
  if (r.stage <= 3) {
    exact(gold, r);
  } else if (is_choice(name) && equal_extents(gold, theirs)) {
    routing(r);
  } else if (is_float(theirs.dtype) &&
             (equal_extents(gold, theirs) || is_last_row_of(local, theirs, gold) || has_merged_heads(theirs, gold))) {
    noise(r);
  } else {
    r.kind = PointKind::misshapen;
    r.departs(concat("theirs is ", theirs, ", ours ", gold, shape_hint(theirs, gold)));
  }
  return r;
}

PointResult Judge::preprocessed(const std::string& name, const Tensor& ours) const {
  return worst_rank(name, [&](const Judge& judge) {
    PointResult r;
    r.name = name;
    r.stage = stage_of(name);
    describe(judge.their(name), r);
    judge.exact(ours.view, r);
    return r;
  });
}

PointResult Judge::sampled(int64_t step, int64_t token) const {
  PointResult r;
  r.name = join_step(step - 1, "sampled_id");
  r.stage = stage_of(r.name);
  r.kind = PointKind::sampled;
  const std::string logits = join_step(step - 1, "logits");
  const std::vector<bool> no_ruler = ruler(logits).no_ruler;
  if (!no_ruler.empty() && no_ruler.back()) {
    leave_out(1, 1, r);
    r.detail = r.why_unjudged = why_no_ruler(logits);
    return r;
  }
  const ConstTensorView gold = last_row(runs_.gold.get(logits).view);
  const double* value = static_cast<const double*>(gold.data);
  const auto best = static_cast<int64_t>(std::max_element(value, value + gold.dim[1]) - value);
  const double uncertain = 2 * allowed_of_row(logits, value[best]);
  if (token != best && value[best] - value[token] > uncertain) {
    r.departs(concat("theirs went on with token ", token, " (our logit ", value[token], "), ours with ", best, " (",
                     value[best], "); logits are uncertain by ", uncertain));
  }
  return r;
}

void Judge::exact(const ConstTensorView& ours, PointResult& r) const {
  r.kind = PointKind::exact;
  const ConstTensorView& theirs = their(r.name);
  if (!equal_extents(ours, theirs)) {
    r.kind = PointKind::misshapen;
    return r.departs(concat("theirs is ", theirs, ", ours ", ours, shape_hint(theirs, ours)));
  }
  const ExactComparison c = compare_exact(ours, theirs);
  if (c.different > 0) {
    r.differing = static_cast<double>(c.different) / static_cast<double>(c.elements);
    r.departs(concat(c.different, " of ", c.elements, " differ, first ", index_text(ours, c.first), ": theirs ", c.got,
                     ", ours ", c.expected));
  }
}

std::string Judge::why_no_ruler(const std::string& name) const {
  const auto unknown = runs_.unknown_from.find(name);
  if (unknown != runs_.unknown_from.end()) return unknown->second.second;
  if (theirs_.floors.count(name) > 0)
    return concat("their floor, or the distance of our own runs in ", name_of(runs_.activation),
                  " from gold, is as large as the row");
  return concat("our own runs in ", name_of(runs_.activation),
                " are as far from gold as the values are large. Does something overflow there?");
}

void Judge::leave_out(int64_t rows, int64_t of, PointResult& r) const {
  r.unjudged_rows = rows;
  if (rows == of) r.kind = PointKind::unjudged;
  if (rows == 0) return;
  r.why_unjudged = why_no_ruler(r.name);
  if (r.within) r.detail = r.why_unjudged;
}

Noise Judge::ruler(const std::string& name) const {
  Noise n;
  const ConstTensorView gold = runs_.gold.get(name).view;
  n.rounded_to = runs_.ours.get(name).view.dtype;
  if (theirs_.points.count(name) > 0 && is_float(their(name).dtype))  // what they stored may be coarser than ours
    n.rounded_to = coarser(n.rounded_to, their(name).dtype);
  n.legal = {runs_.ours.get(name)};
  for (const Recording& run : runs_.other_orders) {
    if (run.has(name)) n.legal.push_back(run.get(name));  // a golden pack keeps what they show instead: floors
  }
  n.no_ruler = rows_without_ruler(gold, n.legal);
  if (const auto unknown = runs_.unknown_from.find(name); unknown != runs_.unknown_from.end()) {
    n.no_ruler.resize(static_cast<size_t>(gold.rank == 0 ? 1 : gold.dim[0]));
    for (auto r = static_cast<size_t>(unknown->second.first); r < n.no_ruler.size(); ++r) n.no_ruler[r] = true;
  }
  const auto floor = theirs_.floors.find(name);
  if (floor != theirs_.floors.end()) {
    check_rows_of_floor(theirs_.label, name, floor->second, gold);
    n.row_floor = floor->second;
  }
  // A decode step has one row; what is usual for it is known from the prompt's rows.
  const PointName at = split_step(name);
  if (at.step > 0 && runs_.gold.has(at.point)) n.usual = usual_noise(runs_.gold.get(at.point).view, ruler(at.point));
  return n;
}

double Judge::allowed_of_row(const std::string& name, double at) const {
  Noise n = ruler(name);
  if (!theirs_.measured_floors) n.row_floor = {};  // a token is judged by what our own runs show
  return ulp_at(n.rounded_to, at) + n.factor * row_noise(runs_.gold.get(name).view, n).back();
}

void Judge::noise(PointResult& r) const {
  const Tensor& whole_gold = runs_.gold.get(r.name);
  ConstTensorView theirs = their(r.name);
  Tensor gold = whole_gold;
  Noise n = ruler(r.name);
  if (n.row_floor && !mistake_) leave_out_drowned_rows(gold.view, n);  // a mistake's rows have other sizes
  r.floor_share = share_of_floor(gold.view, n);
  if (!equal_extents(gold.view, theirs) && has_merged_heads(theirs, gold.view)) {
    r.layout = "heads of a row lie side by side";
    theirs = reshape(theirs, {gold.view.dim[0], gold.view.dim[1], gold.view.dim[2]});
  } else if (!equal_extents(gold.view, theirs)) {
    r.layout = "only the last token's row";
    n = last_row_of(whole_gold.view, n);
    gold = f64_of(last_row(whole_gold.view));
    theirs = reshape(theirs, {1, gold.view.dim[1]});
  }
  r.theirs = compare(gold.view, theirs, n);
  const Comparison own = distance(gold.view, n.legal[0].view, n.rounded_to);
  r.noise_ulp = own.peak_row_ulp;
  r.floor_l2 = own.relative_l2;
  if (!r.theirs.within()) {
    r.row_excess = excess_of_rows(gold.view, theirs, n);
    r.departs(concat(r.theirs.bad, " of ", r.theirs.elements, " beyond noise, worst ",
                     index_text(gold.view, r.theirs.worst), ": theirs ", r.theirs.got, mistake_ ? ", ours " : ", gold ",
                     r.theirs.gold, ", allowed ", r.theirs.allowed, " (", r.theirs.excess, " times that)"));
  }
  const Tensor our_run = n.legal[0];
  n.legal[0] = to_host(cpu_backend(), theirs);
  r.ours_within = compare(gold.view, our_run.view, n).within();
  leave_out(r.theirs.rows_left_out, gold.view.dim[0], r);
}

}  // namespace glmv
