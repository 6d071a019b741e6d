// Start at crosscheck() at the end.
#include "crosscheck/crosscheck.h"

#include <algorithm>
#include <chrono>

#include "crosscheck/runs.h"
#include "crosscheck/stages.h"

namespace glmv {
namespace {

void check_model_hash(const Model& model, const Theirs& theirs, CrosscheckReport& report) {
  constexpr int64_t kSmall = int64_t(1) << 30;  // hashing more than this would take longer than the cross-check
  const auto hash = theirs.metadata.find("model_sha256");
  if (hash == theirs.metadata.end() || model.checkpoint.files().empty() || model.checkpoint.data_bytes() > kSmall)
    return;
  if (hash->second != model.checkpoint.sha256()) {
    report.warnings.push_back(concat("the trace was made with other weights (model_sha256 ", hash->second.substr(0, 12),
                                     "…, ours ", model.checkpoint.sha256().substr(0, 12), "…)"));
  }
}

/// What the trace lacks just before the first departure: there, too, it may have been born.
std::vector<std::string> not_seen_before(const CrosscheckReport& report, const Theirs& theirs, const Runs& runs) {
  const std::string& departure = report.points[static_cast<size_t>(report.first)].name;
  std::vector<std::string> lacking;
  for (const std::string& name : runs.all_points) {
    if (name == departure) break;
    if (is_input(split_step(name).point) || stage_of(name) <= 3) continue;
    if (theirs.points.count(name) > 0) {
      lacking.clear();
    } else {
      lacking.push_back(name);
    }
  }
  return lacking;
}

/// Names of the trace that are no points of ours, and points that the options leave out.
void note_unjudged(const Theirs& theirs, const Runs& runs, const NameRules& names, CrosscheckReport& report) {
  bool unjudged_choice = false;
  for (const auto& [name, view] : theirs.points) {
    if (!runs.gold.has(name)) {
      report.unknown.push_back(name);
    } else if (!is_input(split_step(name).point) && !names.wanted(name)) {
      ++report.left_out;
      unjudged_choice = unjudged_choice || name.find(kTopkIds) != std::string::npos;
    }
  }
  for (const auto& [name, floor] : theirs.floors) {
    if (!runs.gold.has(name)) report.unknown.push_back(concat("floor/", name));
  }
  if (!report.unknown.empty()) {
    report.warnings.push_back(concat(report.unknown.size(),
                                     " tensors of the trace are no points of ours and were not "
                                     "judged, the first is ",
                                     report.unknown[0]));
  }
  if (unjudged_choice)
    report.warnings.push_back("--only leaves out choices of experts: they were replayed as they are, not judged");
}

std::vector<RouterRow> router_rows(const std::vector<PointResult>& points, int64_t first) {
  std::vector<RouterRow> rows;
  for (size_t i = 0; i < points.size(); ++i) {
    if (points[i].kind != PointKind::routing) continue;
    const PointName at = split_step(points[i].name);
    const bool behind = first >= 0 && static_cast<int64_t>(i) > first;
    rows.push_back({at.step, split_layer(at.point).layer, points[i].router, behind});
  }
  return rows;
}

/// Stages 1 to 3, for which nothing has to be run.
void judge_only_inputs(const Model& model, const Theirs& theirs, const Prompt& preprocessed, CrosscheckReport& report) {
  const Runs none;
  report.points = judge_inputs(Judge(model, theirs, none, nullptr), theirs, preprocessed);
  report.first = first_departure(report.points);
}

bool has_computed_points(const Theirs& theirs) {
  return std::any_of(theirs.points.begin(), theirs.points.end(), [](const auto& p) {
    return stage_of(p.first) < 0 || stage_of(p.first) > 3 || split_step(p.first).step > 0;
  });
}

/// What we run with: mistakes that are assumed, and the one that was asked for.
std::vector<const Mistake*> built_in(const CrosscheckOptions& options) {
  std::vector<const Mistake*> all = options.assumed;
  if (options.mistake) all.push_back(options.mistake);
  return all;
}

void explain_first(const Model& model, const RunPlan& plan, const Runs& runs, const CrosscheckOptions& options,
                   CrosscheckReport& report) {
  const PointResult& departure = report.points[static_cast<size_t>(report.first)];
  if (!options.explain || options.mistake || options.recorded) return;
  if (departure.not_on_first_rank) return;  // a mistake of the program is made on every rank
  report.explanations =
      explain({model, options.assumed, options.names, options.request}, plan, departure, report.not_seen, runs);
  report.tried_mistakes = report.explanations.tried > 0;
  for (const Explanation& e : report.explanations.found) report.explained_by.push_back(name_of(e));
}

}  // namespace

int64_t CrosscheckReport::compared() const {
  return std::count_if(points.begin(), points.end(), [](const PointResult& p) { return p.compared(); });
}

int64_t CrosscheckReport::unjudged() const {
  return std::count_if(points.begin(), points.end(), [](const PointResult& p) { return p.unjudged_rows > 0; });
}

int64_t CrosscheckReport::computed() const {
  return std::count_if(points.begin(), points.end(), [](const PointResult& p) { return p.compared() && p.stage > 3; });
}

ExitCode CrosscheckReport::verdict() const {
  if (!within() || (isolation && isolation->made() > 0)) return ExitCode::differs;
  if (computed() == 0 && !own_preprocessing) return ExitCode::skipped;
  return unjudged() > 0 ? ExitCode::partial : ExitCode::ok;
}

int64_t CrosscheckReport::flips() const {
  int64_t n = 0;
  for (const PointResult& p : points) n += p.flips;
  return n;
}

namespace {

CrosscheckReport head_of(const Model& model, const Theirs& theirs, const CrosscheckOptions& options) {
  CrosscheckReport report;
  report.model = model.dir;
  report.theirs = theirs.label;
  report.backend = "cpu";
  report.dtype = options.dtype;
  report.own_preprocessing = options.request != nullptr || options.preprocessed != nullptr;
  if (options.mistake) report.mistake = options.mistake->name;
  for (const Mistake* m : options.assumed) report.assumed.push_back(m->name);
  report.notes = theirs.notes;
  report.warnings = theirs.warnings;
  report.pack_floors = theirs.measured_floors;
  check_model_hash(model, theirs, report);
  const std::string doubt = options.dtype == DType::f32 ? doubt_about_dtype(theirs) : "";
  if (!doubt.empty()) report.warnings.push_back(doubt);
  return report;
}

/// The whole comparison, once there is a script.
void judge_run(const Model& model, const RunPlan& plan, const Prompt* preprocessed, const CrosscheckOptions& options,
               CrosscheckReport& report) {
  const OurSide ours(model, built_in(options));
  const Runs runs = options.recorded ? *options.recorded : run_all(ours, plan);
  report.points = judge_all(ours, plan, runs, options.names, preprocessed);
  report.first = first_departure(report.points);
  report.router = router_rows(report.points, report.first);
  if (options.isolate) report.isolation = isolate(ours, plan, options.names, report.points);
  report.model_points = std::count_if(runs.all_points.begin(), runs.all_points.end(),
                                      [](const std::string& name) { return !is_input(split_step(name).point); });
  report.model_points += static_cast<int64_t>(plan.script.tokens.size());  // the sampled ids
  note_unjudged(plan.theirs, runs, options.names, report);
  if (report.first < 0) return;
  report.not_seen = not_seen_before(report, plan.theirs, runs);
  explain_first(model, plan, runs, options, report);
}

}  // namespace

CrosscheckReport crosscheck(const Model& model, const Theirs& theirs, const CrosscheckOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  CrosscheckReport report = head_of(model, theirs, options);
  Prompt made;
  const Prompt* preprocessed = options.preprocessed;
  if (options.request) {
    made = make_prompt(*options.request, built_in(options));
    preprocessed = &made;
  }
  RunPlan plan{theirs, {}, options.dtype, options.page_size, "", options.isolate, options.progress};
  bool can_run = preprocessed == nullptr || has_computed_points(theirs);
  try {
    if (can_run) plan.script = script_of(model, theirs);
  } catch (const Error& e) {
    // Ids and grids may contradict each other: no forward pass can be run then, but stages 1 to 3 say why.
    if (preprocessed == nullptr) throw;
    judge_only_inputs(model, theirs, *preprocessed, report);
    if (report.within()) throw;
    report.warnings.push_back(concat("stages 4 to 11 were not run: ", e.what()));
    can_run = false;
  }
  if (can_run) {
    judge_run(model, plan, preprocessed, options, report);
  } else {
    judge_only_inputs(model, theirs, *preprocessed, report);
    if (report.first >= 0) explain_first(model, plan, {}, options, report);
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace glmv
