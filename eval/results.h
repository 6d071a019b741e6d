// What a scored run writes: lmms-eval's two files, a Markdown table, a page.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "eval/score_run.h"

namespace glmv::eval {

/// When, by which program and how a run was scored; the run's own record says the same of the asking.
struct Scoring {
  std::string created;          ///< UTC, ISO-8601
  std::string version, commit;  ///< of this program
  std::string judge = "none";
  uint64_t seed = 0;  ///< of the bootstrap
  int resamples = 0;
};

/// The PNGs of a sample's pictures, in their order; none if the run kept none.
using Thumbnails = std::function<std::vector<std::string>(const std::string& task, const std::string& sample)>;

/// *_results.json with lmms-eval's keys and ours beside them. "rules" of each task are in order: the first one gives
/// the headline.
Json results_json(const KeptRun& run, const std::vector<TaskScore>& scores, const Scoring& scoring);

/// *_samples_<task>.jsonl: one line per sample and repeat, as text.
std::string samples_lines(const TaskScore& score);

/// Provenance, scores, intervals, ladder and published values as Markdown.
std::string results_markdown(const KeptRun& run, const std::vector<TaskScore>& scores, const Scoring& scoring);

/// One page without anything from elsewhere: provenance, the table, bars per category, the worst samples with their
/// pictures.
std::string results_html(const KeptRun& run, const std::vector<TaskScore>& scores, const Scoring& scoring,
                         const Thumbnails& thumbnails);

/// Name and value of everything that a number depends on and that holds for all tasks: model, dates, commits, commands.
std::vector<std::pair<std::string, std::string>> provenance(const KeptRun& run, const Scoring& scoring);
/// The same of one task: "4 of 1,500 samples; data MMStar.tsv (sha256 12ab34cd56ef..., not the manifest's); ...".
std::string task_provenance(const TaskScore& score);
/// Why requests failed, the most frequent reasons first: "6 x Could not connect to server (2 tries)"; "" if none did.
std::string reasons_text(const std::map<std::string, int64_t>& reasons);

/// What the run was called: the model's name.
std::string model_name(const KeptRun& run);
/// "81.4 [78.9, 83.7]" and the like.
std::string score_text(const RuleScore& score);
/// What a rule's score lacks: "needs a judge: 12", or "".
std::string lack_text(const RuleScore& score);
/// "-3.2, outside"; "" where nothing is published or the two numbers are not of the same thing.
std::string gap_text(const TaskScore& score);
/// Why no gap is given although a value is published: "4 of 1,500 samples"; "" if one is given or nothing is published.
std::string why_no_gap(const TaskScore& score);

/// Writes everything into the run's folder under names that begin with `stamp`; the names written.
std::vector<std::string> write_results(const KeptRun& run, const std::vector<TaskScore>& scores, const Scoring& scoring,
                                       const std::string& stamp, const Thumbnails& thumbnails);

}  // namespace glmv::eval
