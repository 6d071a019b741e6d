// A run's folder -> scores, without the model.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "eval/aggregate.h"
#include "eval/judge.h"
#include "eval/stats.h"
#include "eval/store.h"

namespace glmv::eval {

/// A sample as a run's folder keeps it.
struct KeptSample {
  std::string id;
  Json values;
  std::vector<const Response*> responses;  ///< by repeat; null where there is none
};

// NOLINTNEXTLINE(bugprone-exception-escape): moving JSON throws only where it is damaged already
struct KeptTask {
  Manifest manifest;
  Json record;  ///< what run.json says about it
  std::vector<KeptSample> samples;
};

/// Everything in a run's folder but scores.
// NOLINTNEXTLINE(bugprone-exception-escape): moving JSON throws only where it is damaged already
struct KeptRun {
  std::string folder;
  Json record;  ///< run.json
  std::map<std::string, Response> responses;
  std::vector<KeptTask> tasks;
  std::map<std::string, JudgePrompt> judge_prompts;
  std::vector<std::string> notes;  ///< lines of the responses that were passed over
};

/// Error (exit code 3) for a folder that is no run, or is damaged: its manifests must be those that run.json names by
/// hash. `manifests`: a folder whose manifests replace them, or "".
KeptRun open_run(const std::string& folder, const std::string& manifests);

/// Tasks whose manifest in the folder `installed` is not there, or not the one that the run is scored by.
std::vector<std::string> tasks_with_other_manifests(const KeptRun& run, const std::string& installed);

/// One rule's result.
struct RuleScore {
  const RuleSpec* rule = nullptr;
  Aggregate total;                    ///< over the first repeat; headline: mean over repeats
  std::vector<double> by_repeat;      ///< headline of each
  std::optional<Interval> interval;   ///< percent
  std::string interval_kind;          ///< "Wilson", "bootstrap over 120 clusters"
  int64_t scored = 0, no_answer = 0;  ///< the second: of those scored, without an answer that the rule can read
  int64_t needs_judge = 0, needs_browser = 0, judged = 0, nonsense = 0;
  std::vector<std::vector<Verdict>> verdicts;                    ///< [repeat][answered sample]
  std::map<std::string, std::pair<double, int64_t>> categories;  ///< percent and number
};

struct TaskScore {
  const KeptTask* task = nullptr;
  std::vector<size_t> answered;  ///< indices of samples whose requests all succeeded
  int64_t failed = 0, missing = 0, truncated = 0, forced = 0, still_thinking = 0;
  std::map<std::string, int64_t> reasons;  ///< why requests failed, and how often
  double success_rate = 0;
  bool reportable = false;  ///< at least 95 % of requests succeeded (the report's rule)
  std::vector<RuleScore> rules;
  const Published* published = nullptr;  ///< what the first rule's score is held against
};

struct ScoreOptions {
  Judge* judge = nullptr;
  bool without_judge = false;      ///< "--judge none"
  std::vector<std::string> rules;  ///< only these; empty = all
  std::string compare_to;          ///< a column of the published tables; "" = by thinking mode
  uint64_t seed = 0;
  int resamples = 1000;
};

std::vector<TaskScore> score_run(const KeptRun& run, const ScoreOptions& options);

/// Is anything missing: failed or missing responses, or a judge or browser that the first rule needs? Then exit code 4.
bool is_partial(const std::vector<TaskScore>& scores);

}  // namespace glmv::eval
