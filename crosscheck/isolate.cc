// Start at isolate() at the end.
#include "crosscheck/isolate.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>

#include "crosscheck/lane.h"
#include "crosscheck/stages.h"
#include "reference/core/rows.h"

namespace glmv {
namespace {

using Lanes = std::vector<std::unique_ptr<Lane>>;

constexpr std::string_view kChoice = ".mlp.gate.topk_";

/// Are points stored in a coarser type than they are computed in? Then their true values are not in the trace.
bool stored_coarser(const Theirs& theirs, DType activation) {
  return std::any_of(theirs.points.begin(), theirs.points.end(), [&](const auto& point) {
    const DType stored = point.second.dtype;
    return is_float(stored) && stage_of(point.first) > 3 && coarser(stored, activation) != activation;
  });
}

/// Gold first, then our run as it is, then the other legal ones.
std::vector<LaneOptions> lane_options(const Model& model, const Theirs& theirs, DType activation) {
  std::vector<LaneOptions> all = {{DType::f64}, {activation, Reduction::blocked, 1}};
  const int64_t width = std::min(model.config.text.hidden_size, model.config.vision.hidden_size);
  for (const Reduction r : legal_reductions(width)) {
    if (r != Reduction::blocked) all.push_back({activation, r, all.size() % 2 == 0 ? -1 : 1});
  }
  if (stored_coarser(theirs, activation)) all.push_back({activation, Reduction::blocked, 1, true});
  return all;
}

/// What the lanes recorded, as the judge takes it.
template <class Take>
Runs runs_of(const Lanes& lanes, DType activation, RouterVariant router, Take take) {
  Runs runs;
  runs.activation = activation;
  runs.router = router;
  runs.gold = (lanes[0].get()->*take)();
  runs.ours = (lanes[1].get()->*take)();
  for (size_t i = 2; i < lanes.size(); ++i) runs.other_orders.push_back((lanes[i].get()->*take)());
  return runs;
}

/// Their points that a segment can be started from.
std::set<std::string> usable_points(const Theirs& theirs) {
  std::set<std::string> names;
  for (const auto& [name, view] : theirs.points) {
    if (stage_of(name) > 3) names.insert(name);
  }
  return names;
}

/// A segment started from numbers that are none ends in such, whoever runs it.
bool starts_from_numbers(const Theirs& theirs, const Upstream& upstream) {
  return std::all_of(upstream.from.begin(), upstream.from.end(), [&](const std::string& name) {
    const auto found = theirs.points.find(name);
    return found == theirs.points.end() || !is_float(found->second.dtype) || first_not_finite(found->second) < 0;
  });
}

class Isolator {
 public:
  Isolator(const OurSide& ours, const RunPlan& plan, const NameRules& names)
      : ours_(ours), plan_(plan), names_(names), usable_(usable_points(plan.theirs)) {}

  /// All points of theirs that the segment just run has come by.
  void judge(const Lanes& lanes, bool visual, Isolation& isolation) {
    const Runs runs = runs_of(lanes, plan_.dtype, ours_.mutant.router, &Lane::take);
    const Runs from_logits = runs_of(lanes, plan_.dtype, ours_.mutant.router, &Lane::take_from_their_logits);
    const Judge from_hidden(ours_.mutant.model, plan_.theirs, runs, ours_.first());
    for (const auto& [name, value] : runs.gold.points()) {
      if (plan_.theirs.points.count(name) == 0 || !names_.wanted(name)) continue;
      IsolatedPoint point;
      point.upstream = upstream_of(ours_.mutant.model.config, name, visual, usable_);
      point.result = from_hidden.on_first_rank(name);
      if (!point.result.compared()) continue;
      if (!point.result.within && !starts_from_numbers(plan_.theirs, point.upstream)) continue;
      if (!point.result.within) look_again(name, from_logits, point.result);
      isolation.points.emplace(name, std::move(point));
    }
  }

 private:
  /// A choice of experts that departs may follow from logits that do: then those are to blame.
  void look_again(const std::string& name, const Runs& from_logits, PointResult& result) const {
    if (name.find(kChoice) == std::string::npos || !from_logits.gold.has(name)) return;
    const PointResult again = Judge(ours_.mutant.model, plan_.theirs, from_logits, ours_.first()).on_first_rank(name);
    if (again.within) result = again;
  }

  const OurSide& ours_;
  const RunPlan& plan_;
  const NameRules& names_;
  std::set<std::string> usable_;
};

void say_where_born(Isolation& isolation, const std::vector<PointResult>& end_to_end) {
  std::set<std::string> departing;
  for (const PointResult& p : end_to_end) {
    if (!p.within && !p.not_on_first_rank) departing.insert(p.name);
  }
  for (auto& [name, point] : isolation.points) {
    if (point.result.within) {
      point.born = departing.count(name) > 0 ? Born::inherited : Born::noise;
    } else {
      point.born = point.upstream.from_inputs_alone ? Born::no_input : Born::here;
    }
  }
}

}  // namespace

const char* name_of(Born born) {
  switch (born) {
    case Born::noise: return "noise";
    case Born::inherited: return "inherited";
    case Born::here: return "made here";
    case Born::no_input: return "input not in the trace";
  }
  return "?";
}

const IsolatedPoint* Isolation::find(const std::string& name) const {
  const auto found = points.find(name);
  return found == points.end() ? nullptr : &found->second;
}

int64_t Isolation::count(Born born) const {
  return std::count_if(points.begin(), points.end(), [&](const auto& p) { return p.second.born == born; });
}

Isolation isolate(const OurSide& ours, const RunPlan& plan, const NameRules& names,
                  const std::vector<PointResult>& end_to_end) {
  const auto start = std::chrono::steady_clock::now();
  const Model& model = ours.mutant.model;
  const Script script = ours.script(plan);
  const bool visual = !script.prompt.image_grids.empty() || !script.prompt.video_grids.empty();
  const WeightPages pages(model);
  Lanes lanes;
  for (const LaneOptions& how : lane_options(model, plan.theirs, plan.dtype))
    lanes.push_back(std::make_unique<Lane>(model, plan.theirs, script, ours.mutant.backend, how));

  Isolation isolation;
  Isolator isolator(ours, plan, names);
  for (const Segment& segment : segments_of(model.config, visual)) {
    if (plan.progress) plan.progress("isolating " + words_for(segment));
    for (const auto& lane : lanes) lane->run(segment);
    isolator.judge(lanes, visual, isolation);
    pages.release(segment);
    ++isolation.segments;
    const int64_t bytes = pages.bytes(segment);
    isolation.weight_bytes += bytes;
    if (bytes > isolation.largest_segment_bytes && segment.kind != Segment::Kind::embedding) {
      isolation.largest_segment_bytes = bytes;
      isolation.largest_segment = words_for(segment);
    }
  }
  say_where_born(isolation, end_to_end);
  isolation.peak_rss_bytes = peak_resident_bytes();
  isolation.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return isolation;
}

}  // namespace glmv
