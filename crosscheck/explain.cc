// Start at explain() at the end.
#include "crosscheck/explain.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "crosscheck/stages.h"

namespace glmv {
namespace {

using With = std::vector<const Mistake*>;

constexpr double kFar = std::numeric_limits<double>::infinity();
constexpr size_t kPairPartners = 10;  // the nearest entries that are paired with one another: 45 pairs
constexpr int kFailuresInARow = 2;    // verifications; behind them only farther candidates are left
constexpr size_t kMostEqual = 6;      // explanations that are followed beyond the departed point

struct Candidate {
  With mistakes;
  double residual = kFar;
};

With operator+(With a, const With& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

bool nearer(const Candidate& a, const Candidate& b) { return a.residual < b.residual; }

std::string measure_of(const PointResult& r) {
  if (r.kind == PointKind::routing) return "share of tokens with an illegal choice";
  if (r.stage <= 3 && r.stage != 1) return "share of elements that differ";
  return "relative L2 distance";
}

/// What a point's own numbers say; a shape that does not fit is far from everything.
double residual_of(const PointResult& r) {
  double residual = r.theirs.relative_l2;
  if (r.kind == PointKind::exact) residual = r.differing;
  if (r.kind == PointKind::misshapen || r.kind == PointKind::unjudged) residual = kFar;
  if (r.kind == PointKind::routing) {
    const RouterAgreement& a = r.router;
    residual = a.tokens == 0 ? 1 : static_cast<double>(a.beyond) / static_cast<double>(a.tokens);
  }
  return std::isfinite(residual) ? residual : kFar;
}

const PointResult* find(const std::vector<PointResult>& results, const std::string& name) {
  const auto at = std::find_if(results.begin(), results.end(), [&](const PointResult& r) { return r.name == name; });
  return at == results.end() ? nullptr : &*at;
}

/// True if everything up to and including the point is within noise.
bool holds_until(const std::vector<PointResult>& results, const std::string& name) {
  if (find(results, name) == nullptr) return false;
  for (const PointResult& r : results) {
    if (!r.within) return false;
    if (r.name == name) return true;
  }
  return false;
}

// ---- pixels: an exact comparison would call two ways to write (x / 255 - mean) / std different

/// How far those two ways are apart at most, over all bytes and channels.
double normalising_noise(const ImageConfig& c) {
  double largest = 0;
  for (size_t channel = 0; channel < 3; ++channel) {
    const float mean = c.mean[channel], std = c.std[channel];
    for (int x = 0; x < 256; ++x) {
      const auto byte = static_cast<float>(x);
      const float fused = (byte - mean * 255.0f) / (std * 255.0f), apart = (byte / 255.0f - mean) / std;
      largest = std::max(largest, std::abs(static_cast<double>(fused) - static_cast<double>(apart)));
    }
  }
  return largest;
}

double one_level(const ImageConfig& c) {
  return 1 / (255 * static_cast<double>(*std::min_element(c.std.begin(), c.std.end())));
}

struct PixelDistance {
  double residual = kFar, largest = kFar;
};

PixelDistance pixel_distance(const ConstTensorView& ours, const ConstTensorView& theirs) {
  if (!is_float(theirs.dtype) || !equal_extents(ours, theirs)) return {};
  Tensor a(DType::f64, ours), b(DType::f64, theirs);
  convert(ours, a.view), convert(theirs, b.view);
  double apart = 0, size = 0, largest = 0;
  for (int64_t i = 0; i < ours.size(); ++i) {
    const double d = a.data<double>()[i] - b.data<double>()[i];
    apart += d * d, size += a.data<double>()[i] * a.data<double>()[i];
    largest = std::isfinite(d) ? std::max(largest, std::abs(d)) : kFar;
  }
  return {size > 0 ? std::sqrt(apart / size) : kFar, largest};
}

// ---- trying

class Search {
 public:
  Search(const ExplainOptions& options, const RunPlan& plan, const PointResult& departure)
      : options_(options), plan_(plan), departure_(departure) {
    const PointName at = split_step(departure.name);
    plan_.script.tokens.resize(std::min(plan_.script.tokens.size(), static_cast<size_t>(at.step)));
    plan_.until = departure.name;
    plan_.progress = nullptr;
    inputs_ = options.request != nullptr && departure.stage <= 3 && at.step == 0;
  }

  double residual(const With& mistakes) const {
    if (plan_progress_ && !mistakes.empty()) plan_progress_("trying " + mistakes.back()->name);
    try {
      return inputs_ ? input_residual(mistakes) : run_residual(mistakes);
    } catch (const Error&) {
      return kFar;  // it leads to something that cannot be run
    }
  }

  bool explains(const With& mistakes) const {
    try {
      return inputs_ ? inputs_hold(mistakes) : runs_hold(mistakes);
    } catch (const Error&) {
      return false;
    }
  }

  /// With the mistakes built in: where theirs departs next, and how many points it gets to before.
  std::pair<std::string, int64_t> next_departure(const With& mistakes, const RunPlan& whole) const {
    const OurSide ours(options_.model, options_.assumed + mistakes);
    const Runs runs = run_all(ours, whole);
    const std::vector<PointResult> results = judge_all(ours, whole, runs, options_.names, nullptr);
    const int64_t first = first_departure(results);
    if (first < 0) return {"", static_cast<int64_t>(results.size())};
    return {results[static_cast<size_t>(first)].name, first};
  }

  void say_progress(std::function<void(const std::string&)> say) { plan_progress_ = std::move(say); }
  bool only_inputs() const { return inputs_; }

 private:
  double run_residual(const With& mistakes) const {
    const OurSide ours(options_.model, options_.assumed + mistakes);
    const bool floats = departure_.kind == PointKind::noise && departure_.layout.empty();
    const Runs runs = run_all(ours, plan_, floats ? RunSet::gold : RunSet::gold_and_ours);
    if (!runs.gold.has(departure_.name)) return kFar;
    if (floats) return distance_to(runs.gold.get(departure_.name).view);
    return residual_of(Judge(ours.mutant.model, plan_.theirs, runs, ours.first()).point(departure_.name));
  }

  /// For floats gold alone says how far theirs is.
  double distance_to(const ConstTensorView& gold) const {
    const ConstTensorView theirs = plan_.theirs.points.at(departure_.name);
    if (!equal_extents(gold, theirs)) return kFar;
    const double far = distance(gold, theirs, theirs.dtype).relative_l2;
    return std::isfinite(far) ? far : kFar;
  }

  bool runs_hold(const With& mistakes) const {
    const OurSide ours(options_.model, options_.assumed + mistakes);
    const Runs runs = run_all(ours, plan_);
    return holds_until(judge_all(ours, plan_, runs, options_.names, nullptr), departure_.name);
  }

  PixelDistance pixels(const Prompt& made) const {
    for (const auto& [name, value] : prompt_tensors(made)) {
      if (name == departure_.name) return pixel_distance(value.view, plan_.theirs.points.at(name));
    }
    return {};
  }

  std::vector<PointResult> judged_inputs(const Prompt& made) const {
    const Runs none;
    return judge_inputs(Judge(options_.model, plan_.theirs, none, nullptr), plan_.theirs, made);
  }

  double input_residual(const With& mistakes) const {
    const Prompt made = make_prompt(*options_.request, options_.assumed + mistakes);
    if (departure_.stage == 1) return pixels(made).residual;
    const std::vector<PointResult> results = judged_inputs(made);
    const PointResult* there = find(results, departure_.name);
    return there ? residual_of(*there) : kFar;
  }

  bool inputs_hold(const With& mistakes) const {
    const Prompt made = make_prompt(*options_.request, options_.assumed + mistakes);
    const std::vector<PointResult> results = judged_inputs(made);
    if (departure_.stage > 1) return holds_until(results, departure_.name);
    const ImageConfig& config =
        departure_.name == "pixel_values" ? options_.request->processor.image : options_.request->processor.video;
    const bool resamples = std::any_of(mistakes.begin(), mistakes.end(), [](const Mistake* m) { return m->resamples; });
    const double allowed = 2 * normalising_noise(config) + (resamples ? one_level(config) : 0);
    return pixels(made).largest <= allowed;
  }

  const ExplainOptions& options_;
  RunPlan plan_;
  const PointResult& departure_;
  bool inputs_ = false;
  std::function<void(const std::string&)> plan_progress_;
};

/// The catalogue's entries that may show there, the more plausible first: those whose first point it is, then the
/// others of the stage, then subtle ones of earlier stages.
With candidates(const ExplainOptions& options, const Theirs& theirs, const PointResult& departure,
                const std::vector<std::string>& not_seen, bool only_inputs) {
  std::set<int> stages = {departure.stage};
  for (const std::string& name : not_seen) stages.insert(stage_of(name));
  if (!only_inputs && theirs.points.count("position_ids") == 0) stages.insert(3);
  With all;
  for (const Mistake& m : mistakes()) {
    const bool assumed = std::find(options.assumed.begin(), options.assumed.end(), &m) != options.assumed.end();
    const bool usable = only_inputs ? m.request || m.processed || m.positions : m.build || m.positions;
    const bool reaches = stages.count(m.stage) > 0 || (m.subtle && m.stage < departure.stage);
    const bool fits = only_inputs || departure.kind != PointKind::misshapen ||
                      (m.reshapes && departure.name.find(m.point) != std::string::npos);
    if (reaches && usable && fits && !assumed) all.push_back(&m);
  }
  std::stable_sort(all.begin(), all.end(), [&](const Mistake* a, const Mistake* b) {
    const auto rank = [&](const Mistake* m) {
      return departure.name.find(m->point) != std::string::npos ? 0 : m->stage == departure.stage ? 1 : 2;
    };
    return rank(a) < rank(b);
  });
  return all;
}

std::vector<std::string> names_of(const With& mistakes) {
  std::vector<std::string> names;
  for (const Mistake* m : mistakes) names.push_back(m->name);
  return names;
}

/// Those that hold, nearest first. What is not nearer to the floor than to the unexplained distance explains nothing: a
/// departure by a hair is turned into noise by any small change.
std::vector<Candidate> verified(const Search& search, std::vector<Candidate> tried, const Explanations& distances) {
  const double half_way = (distances.unexplained + distances.floor) / 2;
  std::stable_sort(tried.begin(), tried.end(), nearer);
  std::vector<Candidate> found;
  int failures = 0;
  double failed_at = -1;  // of equally near ones (positions, ids) any may be it
  for (const Candidate& c : tried) {
    if (!(c.residual < half_way) || (failures == kFailuresInARow && c.residual > failed_at)) break;
    if (search.explains(c.mistakes)) {
      found.push_back(c);
      failures = 0;
    } else if (c.residual > failed_at) {
      ++failures;
      failed_at = c.residual;
    }
  }
  return found;
}

std::vector<Candidate> pairs_of(const Search& search, std::vector<Candidate> singles) {
  std::stable_sort(singles.begin(), singles.end(), nearer);
  singles.resize(std::min(singles.size(), kPairPartners));
  std::vector<Candidate> pairs;
  for (size_t sum = 1; sum < 2 * singles.size(); ++sum) {  // what takes away most together comes first
    for (size_t i = 0; 2 * i < sum && i < singles.size(); ++i) {
      if (sum - i >= singles.size()) continue;
      const With both = singles[i].mistakes + singles[sum - i].mistakes;
      pairs.push_back({both, search.residual(both)});
    }
  }
  return pairs;
}

/// Follows what explains the departure through the rest of the trace; only those that get farthest stay equal.
void follow(const Search& search, const RunPlan& whole, const std::vector<Candidate>& found, Explanations& out) {
  std::vector<std::pair<Explanation, int64_t>> reached;
  for (size_t i = 0; i < found.size() && i < kMostEqual; ++i) {
    Explanation e{names_of(found[i].mistakes), found[i].residual, ""};
    int64_t points = 0;
    if (!search.only_inputs()) std::tie(e.beneath, points) = search.next_departure(found[i].mistakes, whole);
    reached.emplace_back(std::move(e), points);
  }
  int64_t farthest = -1;
  for (const auto& [e, points] : reached) farthest = std::max(farthest, points);
  for (auto& [e, points] : reached) (points == farthest ? out.found : out.shorter).push_back(std::move(e));
}

double floor_at(const PointResult& departure, const Runs& runs, const ExplainOptions& options) {
  if (departure.stage == 1 && options.request != nullptr) return normalising_noise(options.request->processor.image);
  if (departure.kind != PointKind::noise || !runs.ours.has(departure.name)) return 0;
  const ConstTensorView gold = runs.gold.get(departure.name).view, ours = runs.ours.get(departure.name).view;
  return distance(gold, ours, ours.dtype).relative_l2;
}

}  // namespace

std::string name_of(const Explanation& e) {
  std::string text;
  for (const std::string& name : e.mistakes) text += (text.empty() ? "" : " + ") + name;
  return text;
}

Explanations explain(const ExplainOptions& options, const RunPlan& plan, const PointResult& departure,
                     const std::vector<std::string>& not_seen, const Runs& runs) {
  Search search(options, plan, departure);
  search.say_progress(plan.progress);
  Explanations out;
  out.measure = measure_of(departure);
  out.unexplained = departure.stage == 1 ? search.residual({}) : residual_of(departure);
  out.floor = floor_at(departure, runs, options);
  std::vector<Candidate> tried;
  for (const Mistake* m : candidates(options, plan.theirs, departure, not_seen, search.only_inputs()))
    tried.push_back({{m}, search.residual({m})});
  out.tried = static_cast<int64_t>(tried.size());
  std::vector<Candidate> found = verified(search, tried, out);
  if (found.empty() && departure.kind != PointKind::misshapen) {
    const std::vector<Candidate> pairs = pairs_of(search, tried);
    out.pairs = static_cast<int64_t>(pairs.size());
    found = verified(search, pairs, out);
    tried.insert(tried.end(), pairs.begin(), pairs.end());
  }
  follow(search, plan, found, out);
  const Candidate* closest = nullptr;
  for (const Candidate& c : tried) {
    const bool explains =
        std::any_of(found.begin(), found.end(), [&](const Candidate& f) { return f.mistakes == c.mistakes; });
    if (!explains && c.residual < out.unexplained && (closest == nullptr || nearer(c, *closest))) closest = &c;
  }
  if (closest != nullptr) out.closest.push_back({names_of(closest->mistakes), closest->residual, ""});
  return out;
}

}  // namespace glmv
