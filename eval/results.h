// What a scored run writes: lmms-eval's two files, a Markdown table, a page.
#pragma once

#include <string>
#include <vector>

#include "eval/score_run.h"

namespace glmv::eval {

/// *_results.json with lmms-eval's keys and ours beside them.
Json results_json(const KeptRun& run, const std::vector<TaskScore>& scores, const std::string& judge,
                  const std::string& date);

/// *_samples_<task>.jsonl: one line per sample and repeat, as text.
std::string samples_lines(const TaskScore& score);

/// Scores, intervals, ladder and published values as Markdown.
std::string results_markdown(const KeptRun& run, const std::vector<TaskScore>& scores, const std::string& judge);

/// One page without anything from elsewhere: the table, bars per category, the worst samples with their pictures.
/// `thumbnail` gives a PNG of a sample's first picture, or "".
std::string results_html(
    const KeptRun& run, const std::vector<TaskScore>& scores, const std::string& judge,
    const std::function<std::string(const std::string& task, const std::string& sample)>& thumbnail);

/// "81.4 [78.9, 83.7]" and the like.
std::string score_text(const RuleScore& score);
/// What a rule's score lacks: "needs a judge: 12", or "".
std::string lack_text(const RuleScore& score);
/// "-3.2, outside", or "" where nothing is published.
std::string gap_text(const TaskScore& score);

/// Writes everything into the run's folder under names that begin with `stamp`; the names written.
std::vector<std::string> write_results(
    const KeptRun& run, const std::vector<TaskScore>& scores, const std::string& judge, const std::string& stamp,
    const std::string& date, const std::function<std::string(const std::string&, const std::string&)>& thumbnail);

}  // namespace glmv::eval
