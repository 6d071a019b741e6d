// report.md, which is also what is printed.
#include <fmt/format.h>

#include "eval/results.h"

namespace glmv::eval {
namespace {

std::string task_rows(const TaskScore& s) {
  std::string published, gap = gap_text(s);
  if (s.published != nullptr)
    published = fmt::format("{:.1f}{} ({})", *s.published->value, s.published->mark, s.published->model);
  if (const std::string why = why_no_gap(s); !why.empty()) gap = "none: " + why;
  std::string out;
  for (size_t i = 0; i < s.rules.size(); ++i) {
    const bool first = i == 0;
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |\n", first ? s.task->manifest.id : "",
                       first ? std::to_string(s.answered.size()) : "", s.rules[i].rule->name, score_text(s.rules[i]),
                       first ? published : "", first ? gap : "", first ? std::to_string(s.failed + s.missing) : "",
                       first ? fmt::format("{} ({})", s.truncated, s.forced) : "");
  }
  return out;
}

std::string task_notes(const TaskScore& s) {
  std::string out;
  const std::string& id = s.task->manifest.id;
  if (!s.reportable)
    out += fmt::format("\n**{}**: {:.1f} % of the requests succeeded; the report counts a result from 95 % on.\n", id,
                       100 * s.success_rate);
  if (!s.reasons.empty()) out += fmt::format("\n{}: failed: {}\n", id, reasons_text(s.reasons));
  if (s.rules.empty() || s.rules[0].by_repeat.size() < 2) return out;
  out += fmt::format("\n{}: by repeat", id);
  for (const double x : s.rules[0].by_repeat) out += fmt::format(" {:.1f}", x);
  return out + '\n';
}

}  // namespace

std::string results_markdown(const KeptRun& run, const std::vector<TaskScore>& scores, const Scoring& scoring) {
  std::string out = fmt::format("# {}\n\n", model_name(run));
  for (const auto& [name, value] : provenance(run, scoring)) out += fmt::format("- {}: {}\n", name, value);
  for (const TaskScore& s : scores) out += fmt::format("- {}: {}\n", s.task->manifest.id, task_provenance(s));
  out +=
      "\n| task | answered | rule | score [95 %] | published | gap | failed | truncated (forced) "
      "|\n|---|---|---|---|---|---|---|---|\n";
  for (const TaskScore& s : scores) out += task_rows(s);
  out +=
      "\nThe first rule of each task gives the headline; the others score the same responses. \"Inside\": the "
      "published value lies in the interval.\n";
  for (const TaskScore& s : scores) out += task_notes(s);
  return out;
}

}  // namespace glmv::eval
