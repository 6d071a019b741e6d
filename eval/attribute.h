// Two runs of the same tasks: which samples differ, and why.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "eval/score_run.h"

namespace glmv::eval {

/// Why a sample's score differs, in the order in which causes are looked for.
enum class Cause : uint8_t {
  missing,     ///< one side has no answer
  input,       ///< what was sent differs: prompt, pictures, limits
  truncation,  ///< one side was cut at the limit, or was closed by force
  text,        ///< same input, other response
  extraction,  ///< same response, the rules read it differently
  judge,       ///< the judge said otherwise
};
const char* name_of(Cause cause);

struct Difference {
  std::string sample;
  Cause cause;
  std::string detail;  ///< "prompt differs at character 120: ..."
  double first = 0, second = 0;
};

struct TaskComparison {
  std::string task;
  int64_t common = 0, only_in_first = 0, only_in_second = 0;
  int64_t first_answered = 0, second_answered = 0;      ///< what the headlines are of
  std::optional<double> first, second;                  ///< headlines
  int64_t both_answered = 0;                            ///< samples that both runs have and have an answer to
  std::optional<double> first_of_both, second_of_both;  ///< the same rules over those
  int64_t unanswered_in_first = 0, unanswered_in_second = 0, unanswered_in_both = 0;  ///< of the common ones
  int64_t disagree = 0;  ///< of the ones that both answered
  int64_t first_better = 0, second_better = 0;
  double p = 1;  ///< McNemar over the samples whose verdicts differ
  int64_t rest_first_better = 0, rest_second_better = 0;
  double rest_p = 1;                    ///< over those that only the response's text explains
  std::vector<Difference> differences;  ///< disagreements, and samples to which one side has no answer
};

/// The first rule of each task that both runs have, or the rule of that name. Samples are matched by id, repeats by
/// number (the first one counts).
std::vector<TaskComparison> compare_runs(const KeptRun& first, const std::vector<TaskScore>& first_scores,
                                         const KeptRun& second, const std::vector<TaskScore>& second_scores);

/// As users read it; every differing sample is listed if `attribute`.
std::string comparison_text(const std::vector<TaskComparison>& all, bool attribute);
Json comparison_json(const std::vector<TaskComparison>& all);

}  // namespace glmv::eval
