// Start at crosscheck() at the end.
#include "crosscheck/crosscheck.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "crosscheck/stages.h"
#include "crosscheck/weight_pages.h"

namespace glmv {
namespace {

constexpr std::string_view kTopkIds = ".mlp.gate.topk_ids", kGateLogits = ".mlp.gate.logits";

/// How our runs differ from one another.
struct Variant {
  std::string what;
  DType activation;
  Reduction reduction;
};

/// What we need of our runs: the points that theirs has, and what decides their choices.
bool is_needed(const Theirs& theirs, const Script& script, const std::string& name) {
  if (theirs.points.count(name) > 0) return true;
  const PointName at = split_step(name);
  if (at.point == "logits") return at.step < static_cast<int64_t>(script.tokens.size());
  const size_t gate = name.rfind(kGateLogits);
  return gate != std::string::npos && theirs.points.count(concat(name.substr(0, gate), kTopkIds)) > 0;
}

Recording run_one(const Model& model, const Theirs& theirs, const Script& script, const CrosscheckOptions& options,
                  const Variant& variant, const std::function<void(const std::string&)>& on_name = {}) {
  std::optional<WeightPages> pages;
  if (options.isolate) pages.emplace(model);
  const Backend backend = options.mistake ? with_mistake(*options.mistake) : cpu_backend();
  RecordOptions how;
  how.activation = variant.activation;
  how.reduction = variant.reduction;
  how.page_size = options.page_size;
  how.wants = [&](std::string_view point) {
    const std::string name(point);
    if (on_name) on_name(name);
    if (pages) pages->release_behind(name);
    return is_needed(theirs, script, name);
  };
  how.on_pass = [&](int64_t pass) {
    if (options.progress) options.progress(concat(variant.what, ", pass ", pass + 1, " of ", script.tokens.size() + 1));
  };
  return record(model, backend, script, how);
}

Runs run_all(const Model& model, const Theirs& theirs, const Script& script, const CrosscheckOptions& options) {
  const auto run = [&](const Variant& variant) { return run_one(model, theirs, script, options, variant); };
  Runs runs;
  const auto remember = [&, seen = std::set<std::string>()](const std::string& name) mutable {
    if (seen.insert(name).second) runs.all_points.push_back(name);
  };
  runs.gold = run_one(model, theirs, script, options, {"gold run in f64", DType::f64, Reduction::blocked}, remember);
  runs.activation = options.dtype;
  runs.ours = run({"our run", options.dtype, Reduction::blocked});
  const ModelConfig& c = model.config;
  for (const Reduction r : legal_reductions(std::min(c.text.hidden_size, c.vision.hidden_size))) {
    if (r == Reduction::blocked) continue;
    runs.other_orders.push_back(run({concat("our run, ", words_for(r)), options.dtype, r}));
  }
  return runs;
}

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

/// All comparisons, in the order of the forward pass; the sampled id of a pass follows its last point.
std::vector<PointResult> judge_all(const Judge& judge, const Theirs& theirs, const Script& script, const Runs& runs,
                                   const CrosscheckOptions& options) {
  std::vector<PointResult> results;
  std::set<std::string> preprocessed;
  if (options.preprocessed) {
    for (const auto& [name, value] : prompt_tensors(*options.preprocessed)) {
      if (theirs.points.count(name) == 0) continue;
      results.push_back(judge.preprocessed(name, value));
      preprocessed.insert(name);
    }
  }
  int64_t pass = 0;
  const auto finish_passes = [&](int64_t until) {
    for (; pass < until; ++pass) {
      if (!options.names.wanted(join_step(pass, "sampled_id"))) continue;
      results.push_back(judge.sampled(pass + 1, script.tokens[static_cast<size_t>(pass)]));
    }
  };
  for (const auto& [name, value] : runs.gold.points()) {
    finish_passes(split_step(name).step);
    if (theirs.points.count(name) == 0 || preprocessed.count(name) > 0) continue;
    if (is_input(split_step(name).point) || options.names.wanted(name)) results.push_back(judge.point(name));
  }
  finish_passes(static_cast<int64_t>(script.tokens.size()));
  return results;
}

int64_t first_departure(const std::vector<PointResult>& points) {
  const auto found = std::find_if(points.begin(), points.end(), [](const PointResult& p) { return !p.within; });
  return found == points.end() ? -1 : found - points.begin();
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

/// Catalogue entries of the departure's stage that, built in, make it and all before it noise.
std::vector<std::string> explanations(const Model& model, const Theirs& theirs, Script script,
                                      const CrosscheckOptions& options, const CrosscheckReport& report) {
  std::vector<std::string> found;
  const PointResult& departure = report.points[static_cast<size_t>(report.first)];
  script.tokens.resize(static_cast<size_t>(split_step(departure.name).step));  // what comes later does not matter
  for (const Mistake& m : mistakes()) {
    if (m.stage != departure.stage) continue;
    if (options.progress) options.progress("trying " + m.name);
    CrosscheckOptions with = options;
    with.mistake = &m;
    with.progress = nullptr;
    const Runs runs = run_all(model, theirs, script, with);
    const int64_t first =
        first_departure(judge_all(Judge(model, theirs, runs, with.mistake), theirs, script, runs, with));
    if (first < 0 || first > report.first) found.push_back(m.name);
  }
  return found;
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

CrosscheckReport crosscheck(const Model& model, const Theirs& theirs, const CrosscheckOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  CrosscheckReport report;
  report.model = model.dir;
  report.theirs = theirs.label;
  report.backend = "cpu";
  report.dtype = options.dtype;
  report.own_preprocessing = options.preprocessed != nullptr;
  if (options.mistake) report.mistake = options.mistake->name;
  report.notes = theirs.notes;
  report.warnings = theirs.warnings;
  report.pack_floors = theirs.measured_floors;
  check_model_hash(model, theirs, report);
  const std::string doubt = options.dtype == DType::f32 ? doubt_about_dtype(theirs) : "";
  if (!doubt.empty()) report.warnings.push_back(doubt);

  const Script script = script_of(model, theirs);
  const Runs runs = options.recorded ? *options.recorded : run_all(model, theirs, script, options);
  report.points = judge_all(Judge(model, theirs, runs, options.mistake), theirs, script, runs, options);
  report.first = first_departure(report.points);
  if (options.isolate) report.isolation = isolate(model, theirs, options, report.points);
  report.model_points = std::count_if(runs.all_points.begin(), runs.all_points.end(),
                                      [](const std::string& name) { return !is_input(split_step(name).point); });
  report.model_points += static_cast<int64_t>(script.tokens.size());  // the sampled ids
  bool unjudged_choice = false;
  for (const auto& [name, view] : theirs.points) {
    if (!runs.gold.has(name)) {
      report.unknown.push_back(name);
    } else if (!is_input(split_step(name).point) && !options.names.wanted(name)) {
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
  if (report.first >= 0) {
    report.not_seen = not_seen_before(report, theirs, runs);
    // A tensor of another shape has no numbers that a mistake could explain.
    const bool numbers = report.points[static_cast<size_t>(report.first)].kind != PointKind::misshapen;
    report.tried_mistakes = numbers && options.explain && !options.mistake && !options.recorded;
    if (report.tried_mistakes) report.explained_by = explanations(model, theirs, script, options, report);
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace glmv
