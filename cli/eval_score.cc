// Scoring a run's folder, and comparing two.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <iostream>

#include "bench/machine.h"
#include "cli/eval.h"
#include "cli/output.h"
#include "eval/attribute.h"
#include "eval/thumbnail.h"

namespace glmv::cli {
namespace {

/// "20261128T081500", for names of files.
std::string stamp_of(const std::string& created) {
  std::string out;
  for (const char c : created)
    if (c != '-' && c != ':' && c != 'Z') out += c;
  return out;
}

void say_other_manifests(const eval::KeptRun& run, const std::string& installed) {
  std::string names;
  for (const std::string& id : eval::tasks_with_other_manifests(run, installed)) names += ' ' + id;
  if (!names.empty())
    std::cerr << "glmv: scored by the manifests kept in the run; the installed ones differ for" << names
              << " (--installed-manifests scores by those)\n";
}

eval::Scoring scoring_of(const ScoreFlags& flags, const eval::Judge& judge) {
  const Json header = result_header("eval");
  return {header.at("created").get<std::string>(),
          header.at("version").get<std::string>(),
          bench::this_machine().commit,
          judge.name(),
          flags.seed,
          flags.resamples};
}

}  // namespace

void say_notes(const std::vector<std::string>& notes) {
  constexpr size_t kMost = 5;
  for (size_t i = 0; i < std::min(kMost, notes.size()); ++i) std::cerr << "glmv: " << notes[i] << '\n';
  if (notes.size() > kMost) std::cerr << "glmv: ... and " << notes.size() - kMost << " lines more\n";
}

void ScoreFlags::add(CLI::App& verb) {
  verb.add_option("--judge", judge, "none: do without a judge where the rule allows it (the toolkits' exact matching)")
      ->check(CLI::IsMember({"none"}));
  verb.add_option("--judge-base-url", judge_url, "a judge behind an OpenAI-compatible endpoint");
  verb.add_option("--judge-model", judge_model, "its model name");
  verb.add_option("--judge-key-env", judge_key, "environment variable with its key")->capture_default_str();
  verb.add_option("--judge-replies", judge_replies, "recorded replies of a judge instead (a judge.jsonl)");
  verb.add_option("--rules", rules, "only these scoring rules; the first gives the headline")->delimiter(',');
  verb.add_option("--compare-to", compare_to,
                  "published column to compare with; default by thinking mode: GLM-4.5V or GLM-4.5V-nonthinking");
  verb.add_option("--seed", seed, "of the bootstrap")->check(unsigned_number())->capture_default_str();
  verb.add_option("--resamples", resamples, "of the bootstrap")->check(CLI::Range(10, 1000000))->capture_default_str();
  verb.add_flag("-q,--quiet", quiet, "no progress, no counts; what failed is still told");
  verb.add_flag("--exit-zero", exit_zero, "exit code 0 even if responses or a judge are missing");
}

void ScoreFlags::add_waiting(CLI::App& verb) {
  verb.add_option("--timeout", judge_timeout_s, "seconds for one request to a judge")
      ->check(between(0.01, 1e6))
      ->capture_default_str();
  verb.add_option("--tries", judge_retry.tries, "for a request that fails in passing (429, 5xx, broken)")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  verb.add_option("--retry-wait", judge_retry.first_wait_s, "seconds before the second try, doubled each time")
      ->check(between(0, 1e4))
      ->capture_default_str();
}

eval::Judge ScoreFlags::make_judge() const {
  if (!judge.empty() + !judge_url.empty() + !judge_replies.empty() > 1)
    usage_error("--judge, --judge-base-url and --judge-replies: only one of them");
  if (!judge_replies.empty()) return eval::Judge::recorded(judge_replies);
  if (judge_url.empty()) return {};
  if (judge_model.empty()) usage_error("--judge-base-url needs --judge-model");
  eval::EndpointOptions options;
  options.base_url = judge_url;
  options.model = judge_model;
  options.key_variable = judge_key;
  options.timeout_s = judge_timeout_s;
  options.retry = judge_retry;
  options.temperature = 0;
  options.server_flags = false;
  return eval::Judge::endpoint(options);
}

int score_folder(const std::string& folder, const ScoreFlags& flags,
                 const std::function<void(const std::vector<eval::TaskScore>&)>& prepare) {
  check_output(folder, Output::folder);
  const eval::KeptRun run = eval::open_run(folder, flags.use_installed ? flags.installed : "");
  say_notes(run.notes);
  if (!flags.use_installed && !flags.installed.empty()) say_other_manifests(run, flags.installed);
  eval::Judge judge = flags.make_judge();
  if (judge.exists()) judge.keep_in(folder + "/judge.jsonl");
  eval::ScoreOptions options;
  options.judge = &judge;
  options.without_judge = flags.judge == "none";
  options.rules = flags.rules;
  options.compare_to = flags.compare_to;
  options.seed = flags.seed;
  options.resamples = flags.resamples;
  const std::vector<eval::TaskScore> scores = eval::score_run(run, options);
  if (prepare) prepare(scores);
  const eval::Scoring scoring = scoring_of(flags, judge);
  const auto thumbnails = [&](const std::string& task, const std::string& sample) {
    return eval::kept_thumbnails(folder, task, sample);
  };
  const std::vector<std::string> names =
      eval::write_results(run, scores, scoring, stamp_of(scoring.created), thumbnails);
  write_result(eval::results_markdown(run, scores, scoring), "");
  if (judge.failures() > 0)
    std::cerr << "glmv: judge " << judge.name() << ": " << judge.failures() << " of " << judge.asked()
              << " calls failed; the first: " << judge.first_failure() << '\n';
  const bool is_partial = eval::is_partial(scores) || judge.failures() > 0;
  const int code = is_partial && !flags.exit_zero ? static_cast<int>(ExitCode::partial) : 0;
  if (flags.quiet) return code;
  std::cerr << "glmv: wrote";
  for (const std::string& name : names) std::cerr << ' ' << name;
  std::cerr << " into " << folder << '\n';
  return code;
}

int compare_run_folders(const std::string& first, const std::string& second, bool attribute, bool json,
                        const std::string& output) {
  check_output(output, Output::text);
  const eval::KeptRun a = eval::open_run(first, ""), b = eval::open_run(second, "");
  say_notes(a.notes);
  say_notes(b.notes);
  // Replies of judges that the runs kept are used again; nobody is asked.
  const auto scores_of = [](const eval::KeptRun& run) {
    eval::ScoreOptions options;
    options.without_judge = true;
    options.resamples = 10;
    eval::Judge judge = std::filesystem::exists(run.folder + "/judge.jsonl")
                            ? eval::Judge::recorded(run.folder + "/judge.jsonl")
                            : eval::Judge();
    options.judge = &judge;
    return eval::score_run(run, options);
  };
  const auto all = eval::compare_runs(a, scores_of(a), b, scores_of(b));
  if (json)
    write_json(Json(eval::comparison_json(all)), output);
  else
    write_result(eval::comparison_text(all, attribute), output);
  for (const eval::TaskComparison& c : all)
    if (!c.differences.empty()) return static_cast<int>(ExitCode::differs);
  return 0;
}

}  // namespace glmv::cli
