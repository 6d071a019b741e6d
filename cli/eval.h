// What `eval` and `score` share: the judge's flags, and scoring a run's folder.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/flags.h"
#include "eval/results.h"

namespace glmv::cli {

/// --judge-base-url, --judge-model, --judge-replies, --judge none, --rules, --compare-to, --seed, --resamples, -q.
struct ScoreFlags {
  std::string judge, judge_url, judge_model, judge_replies, judge_key = "GLMV_JUDGE_API_KEY", compare_to;
  std::vector<std::string> rules;
  uint64_t seed = 0;
  int resamples = 1000;
  bool exit_zero = false, quiet = false;
  std::string installed;       ///< folder of manifests with which a run's own are compared; "" = with none
  bool use_installed = false;  ///< they replace the run's own

  double judge_timeout_s = 600;
  eval::RetryOptions judge_retry;

  void add(CLI::App& verb);
  /// --timeout, --tries and --retry-wait, where a verb has none of its own.
  void add_waiting(CLI::App& verb);
  eval::Judge make_judge() const;
};

/// Says on stderr which stored lines were passed over.
void say_notes(const std::vector<std::string>& notes);

/// Scores the run, writes results and reports into its folder, prints the table. The exit code: 4 if responses or a
/// judge are missing. `prepare` may look at the scores before the page is written (to make thumbnails).
int score_folder(const std::string& folder, const ScoreFlags& flags,
                 const std::function<void(const std::vector<eval::TaskScore>&)>& prepare = {});

/// `glmv compare RUN_A RUN_B [--attribute]` for two folders of runs.
int compare_run_folders(const std::string& first, const std::string& second, bool attribute, bool json,
                        const std::string& output);

}  // namespace glmv::cli
