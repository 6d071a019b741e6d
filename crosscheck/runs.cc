#include "crosscheck/runs.h"

#include <algorithm>
#include <optional>
#include <set>

#include "crosscheck/stages.h"
#include "crosscheck/weight_pages.h"

namespace glmv {
namespace {

/// How our runs differ from one another.
struct Variant {
  std::string what;
  DType activation;
  Reduction reduction;
};

/// What we need of our runs: the points that theirs has, and what decides their choices.
bool is_needed(const RunPlan& plan, const std::string& name) {
  if (plan.theirs.points.count(name) > 0 || name == plan.until) return true;
  const PointName at = split_step(name);
  if (at.point == "logits") return at.step < static_cast<int64_t>(plan.script.tokens.size());
  const size_t gate = name.rfind(kGateLogits);
  return gate != std::string::npos && plan.theirs.points.count(concat(name.substr(0, gate), kTopkIds)) > 0;
}

/// only_last: nothing but the point at which the run ends.
Recording run_one(const OurSide& ours, const RunPlan& plan, const Script& script, const Variant& variant,
                  bool only_last, const std::function<void(const std::string&)>& on_name = {}) {
  std::optional<WeightPages> pages;
  if (plan.streams) pages.emplace(ours.mutant.model);
  RecordOptions how;
  how.activation = variant.activation;
  how.reduction = variant.reduction;
  how.page_size = plan.page_size;
  how.until = plan.until;
  how.wants = [&](std::string_view point) {
    const std::string name(point);
    if (on_name) on_name(name);
    if (pages) pages->release_behind(name);
    return only_last ? name == plan.until : is_needed(plan, name);
  };
  how.on_pass = [&](int64_t pass) {
    if (plan.progress) plan.progress(concat(variant.what, ", pass ", pass + 1, " of ", script.tokens.size() + 1));
  };
  return record(ours.mutant.model, ours.mutant.backend, script, how);
}

}  // namespace

OurSide::OurSide(const Model& model, std::vector<const Mistake*> with) : mutant(model), mistakes(std::move(with)) {
  for (const Mistake* m : mistakes) {
    if (m->build) m->build(mutant);
  }
}

Script OurSide::script(const RunPlan& plan) const {
  Script script = plan.script;
  for (const Mistake* m : mistakes) {
    if (m->positions) m->positions(script.prompt, mutant.model.config);
  }
  return script;
}

Runs run_all(const OurSide& ours, const RunPlan& plan, RunSet set) {
  const Script script = ours.script(plan);
  const auto run = [&](const Variant& variant) { return run_one(ours, plan, script, variant, false); };
  Runs runs;
  const auto remember = [&, seen = std::set<std::string>()](const std::string& name) mutable {
    if (seen.insert(name).second) runs.all_points.push_back(name);
  };
  runs.gold =
      run_one(ours, plan, script, {"gold run in f64", DType::f64, Reduction::blocked}, set == RunSet::gold, remember);
  runs.activation = plan.dtype;
  runs.router = ours.mutant.router;
  if (set == RunSet::gold) return runs;
  runs.ours = run({"our run", plan.dtype, Reduction::blocked});
  if (set == RunSet::gold_and_ours) return runs;
  const ModelConfig& c = ours.mutant.model.config;
  for (const Reduction r : legal_reductions(std::min(c.text.hidden_size, c.vision.hidden_size))) {
    if (r == Reduction::blocked) continue;
    runs.other_orders.push_back(run({concat("our run, ", words_for(r)), plan.dtype, r}));
  }
  return runs;
}

std::vector<PointResult> judge_inputs(const Judge& judge, const Theirs& theirs, const Prompt& preprocessed) {
  std::vector<PointResult> results;
  for (const auto& [name, value] : prompt_tensors(preprocessed)) {
    if (theirs.points.count(name) > 0) results.push_back(judge.preprocessed(name, value));
  }
  std::stable_sort(results.begin(), results.end(),
                   [](const PointResult& a, const PointResult& b) { return a.stage < b.stage; });
  return results;
}

std::vector<PointResult> judge_all(const OurSide& ours, const RunPlan& plan, const Runs& runs, const NameRules& names,
                                   const Prompt* preprocessed) {
  const Judge judge(ours.mutant.model, plan.theirs, runs, ours.first());
  std::vector<PointResult> results;
  std::set<std::string> judged;
  if (preprocessed) results = judge_inputs(judge, plan.theirs, *preprocessed);
  for (const PointResult& r : results) judged.insert(r.name);
  int64_t pass = 0;
  // Gold of a pack may go on for more passes than theirs were fed tokens for.
  const auto fed = static_cast<int64_t>(plan.script.tokens.size());
  const auto finish_passes = [&](int64_t until) {
    for (; pass < std::min(until, fed); ++pass) {
      if (!names.wanted(join_step(pass, "sampled_id")) || !runs.gold.has(join_step(pass, "logits"))) continue;
      results.push_back(judge.sampled(pass + 1, plan.script.tokens[static_cast<size_t>(pass)]));
    }
  };
  for (const auto& [name, value] : runs.gold.points()) {
    finish_passes(split_step(name).step);
    if (plan.theirs.points.count(name) == 0 || judged.count(name) > 0) continue;
    if (is_input(split_step(name).point) || names.wanted(name)) results.push_back(judge.point(name));
  }
  finish_passes(fed);
  return results;
}

int64_t first_departure(const std::vector<PointResult>& points) {
  const auto found = std::find_if(points.begin(), points.end(), [](const PointResult& p) { return !p.within; });
  return found == points.end() ? -1 : found - points.begin();
}

}  // namespace glmv
