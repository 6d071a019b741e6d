#include "eval/results.h"

#include <fmt/format.h>

#include "data/checkpoint.h"
#include "data/file.h"
#include "eval/answer.h"
#include "eval/template.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

std::string hash_of(const Json& value) {
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return sha256_hex(text.data(), text.size());
}

Json number_or_null(const std::optional<double>& x) { return x ? Json(*x) : Json(); }

/// lmms-eval names a number "metric,filter": the filter is what we call a rule.
Json task_results(const TaskScore& score) {
  Json out = {{"alias", score.task->manifest.name}, {"rules", Json::array()}};
  for (const RuleScore& rule : score.rules) {
    const std::string& name = rule.rule->name;
    out["rules"].push_back(name);
    out["score," + name] = number_or_null(rule.total.headline);
    const bool known = rule.interval.has_value();
    out["score_stderr," + name] =
        known ? Json((rule.interval->high - rule.interval->low) / (2 * 1.959963984540054)) : Json();
    out["score_ci95," + name] = known ? Json({rule.interval->low, rule.interval->high}) : Json();
    out["ci95_kind," + name] = rule.interval_kind;
    out["metrics," + name] = rule.total.metrics;
    out["by_repeat," + name] = rule.by_repeat;
    out["counts," + name] = {{"scored", rule.scored},           {"no_answer", rule.no_answer},
                             {"needs_judge", rule.needs_judge}, {"needs_browser", rule.needs_browser},
                             {"judged", rule.judged},           {"judge_nonsense", rule.nonsense}};
  }
  if (score.published != nullptr) {
    out["published"] = {
        {"model", score.published->model}, {"value", *score.published->value}, {"source", score.published->source}};
    const std::string why = why_no_gap(score);
    if (!why.empty()) out["published"]["no_gap"] = why;
    if (why.empty() && !score.rules.empty() && score.rules[0].total.headline) {
      const RuleScore& first = score.rules[0];
      out["published"]["gap"] = *first.total.headline - *score.published->value;
      if (first.interval) out["published"]["inside_ci95"] = first.interval->holds(*score.published->value);
    }
  }
  return out;
}

Json sample_line(const TaskScore& score, size_t answered, size_t repeat) {
  const KeptSample& sample = score.task->samples[score.answered[answered]];
  const Response& r = *sample.responses[repeat];
  Json out = {{"doc_id", sample.id},
              {"doc", sample.values},
              {"doc_hash", hash_of(sample.values)},
              {"target", sample.values.value("answer", Json())},
              {"repeat", repeat},
              {"resps", {{r.text}}},
              {"finish_reason", r.finish_reason},
              {"forced_completion", r.forced},
              {"response_key", r.key},
              {"sent", r.sent}};
  Json filtered = Json::array();
  for (const RuleScore& rule : score.rules) {
    const Verdict& v = rule.verdicts[repeat][answered];
    filtered.push_back(v.values.value("reply", Json()));
    Json left = Json::object();  // what the steps left, without the fields of the sample
    for (const auto& [name, value] : v.values.items()) {
      if (!sample.values.contains(name) && name != "response") left[name] = value;
    }
    out["rule," + rule.rule->name] = {
        {"status", v.status}, {"score", number_or_null(v.score)}, {"steps", left}, {"judged", v.judged}};
    out["score," + rule.rule->name] = number_or_null(v.score);
  }
  out["filtered_resps"] = filtered;
  return out;
}

void write_text(const std::string& path, const std::string& text) {
  OutputFile file(path, Devices::refused);
  file.write(text.data(), text.size());
  file.commit();
}

}  // namespace

Json results_json(const KeptRun& run, const std::vector<TaskScore>& scores, const Scoring& scoring) {
  Json out = {{"schema", "glmv.eval_results/1"}, {"date", scoring.created}, {"version", scoring.version},
              {"git_hash", scoring.commit},      {"judge", scoring.judge},  {"bootstrap_seed", scoring.seed},
              {"resamples", scoring.resamples},  {"run", run.record}};
  out["config"] = {{"model", run.record.value("model", Json())},
                   {"limit", run.record.value("limit", Json())},
                   {"gen_kwargs", run.record.value("sampling", Json())}};
  for (const char* key : {"results", "configs", "versions", "n-shot", "higher_is_better", "n-samples", "task_hashes"})
    out[key] = Json::object();
  for (const TaskScore& score : scores) {
    const std::string& id = score.task->manifest.id;
    out["results"][id] = task_results(score);
    out["configs"][id] = score.task->record;
    out["versions"][id] = 1;
    out["n-shot"][id] = 0;
    out["task_hashes"][id] = score.task->manifest.sha256;
    out["n-samples"][id] = {{"original", score.task->record.value("samples_in_files", Json())},
                            {"effective", score.task->samples.size()},
                            {"answered", score.answered.size()},
                            {"failed", score.failed},
                            {"failed_why", score.reasons},
                            {"missing", score.missing},
                            {"truncated", score.truncated},
                            {"forced", score.forced},
                            {"still_thinking", score.still_thinking},
                            {"success_rate", score.success_rate},
                            {"reportable", score.reportable}};
    for (const RuleScore& rule : score.rules) out["higher_is_better"][id]["score," + rule.rule->name] = true;
  }
  return out;
}

std::string samples_lines(const TaskScore& score) {
  std::string out;
  const size_t repeats = score.rules.empty() ? 0 : score.rules[0].verdicts.size();
  for (size_t i = 0; i < score.answered.size(); ++i) {
    for (size_t r = 0; r < repeats; ++r)
      out += sample_line(score, i, r).dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
  }
  return out;
}

std::string lack_text(const RuleScore& score) {
  if (score.needs_judge > 0) return fmt::format("needs a judge: {}", score.needs_judge);
  if (score.needs_browser > 0) return fmt::format("needs a browser: {}", score.needs_browser);
  return score.total.headline ? "" : "no number";
}

std::string score_text(const RuleScore& score) {
  if (std::string lack = lack_text(score); !lack.empty()) return lack;
  if (!score.interval) return fmt::format("{:.1f}", *score.total.headline);
  return fmt::format("{:.1f} [{:.1f}, {:.1f}]", *score.total.headline, score.interval->low, score.interval->high);
}

std::vector<std::string> write_results(const KeptRun& run, const std::vector<TaskScore>& scores, const Scoring& scoring,
                                       const std::string& stamp, const Thumbnails& thumbnails) {
  std::vector<std::string> names;
  const auto put = [&](const std::string& name, const std::string& text) {
    write_text(run.folder + '/' + name, text);
    names.push_back(name);
  };
  put(stamp + "_results.json",
      results_json(run, scores, scoring).dump(2, ' ', false, Json::error_handler_t::replace) + '\n');
  for (const TaskScore& score : scores)
    put(stamp + "_samples_" + score.task->manifest.id + ".jsonl", samples_lines(score));
  put("report.md", results_markdown(run, scores, scoring));
  put("report.html", results_html(run, scores, scoring, thumbnails));
  return names;
}

}  // namespace glmv::eval
