// score: one scoring rule on given inputs, stored responses in other people's layouts, or a run's folder again.
#include <fmt/format.h>

#include <algorithm>

#include "cli/eval.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "data/file.h"
#include "data/json_file.h"
#include "eval/algorithms.h"
#include "eval/import.h"
#include "reference/core/error.h"

namespace glmv::cli {
namespace {

struct Flags {
  std::string algorithm, cases, layout, by, output;
  std::vector<std::string> paths;
  ScoreFlags run;
  bool list = false, json = false, attribute = false;
};

constexpr const char* kExamples = R"(Examples:
  glmv score --list
      every scoring rule: its id, whose behaviour it is, what it does; fields and outputs of each: eval/README.md
  glmv score --algorithm mc_can_infer --cases data/samples/score/mc_can_infer.json
      the file is a list of cases, {"input": {fields of the rule}} or the fields themselves; printed is one object
      {"schema": "glmv.score/1", "algorithm": ID, "results": [...]} with one result per case, in their order. null is
      a result: not inferable, rejected, or a number that is not finite.
  glmv score --import mmmu data/samples/import/mmmu --attribute
      stored responses in the layout of the benchmark's authors: right answers per group and in all with Wilson's 95 %
      interval, the same responses under other rules, and each row on which two rules disagree, with the cause
  glmv score RUN_DIR
      scores a run's stored responses again)";

Json list_json() {
  Json out = result_header("score_rules");
  out["rules"] = Json::array();
  for (const AlgorithmInfo& a : algorithms())
    out["rules"].push_back({{"id", a.id}, {"meaning", a.meaning}, {"source", a.source}});
  return out;
}

std::string list_text() {
  std::string out;
  for (const AlgorithmInfo& a : algorithms()) out += fmt::format("{:<29} {:<20} {}\n", a.id, a.source, a.meaning);
  return out;
}

/// The fields of a case: no rule has a field named "input", so an object with one is a wrapped case.
const nlohmann::json& input_of(const nlohmann::json& entry) {
  if (!entry.is_object()) return entry;
  const auto wrapped = entry.find("input");
  return wrapped == entry.end() ? entry : *wrapped;
}

Json results_of(const Flags& f) {
  constexpr int kMostLevels = 64;
  const auto known = algorithms();
  if (std::none_of(known.begin(), known.end(), [&](const AlgorithmInfo& a) { return a.id == f.algorithm; }))
    usage_error("--algorithm ", f.algorithm, ": no such scoring rule (glmv score --list says what there is)");
  const nlohmann::json cases = parse_json(read_file(f.cases), f.cases, kMostLevels);
  if (!cases.is_array()) input_error(f.cases, ": not a list of cases");
  check_keeps_inputs(f.output);
  Json out = result_header("score");
  out["algorithm"] = f.algorithm;
  out["results"] = Json::array();
  for (size_t i = 0; i < cases.size(); ++i) {
    try {
      out["results"].push_back(Json(run_algorithm(f.algorithm, input_of(cases[i]))));
    } catch (const Error& e) {
      throw Error(e.code(), concat(f.cases, ": case ", i, ": ", e.what()));
    }
  }
  return out;
}

const ImportLayout& layout_of(const std::string& name) {
  const auto& all = layouts();
  const auto found = std::find_if(all.begin(), all.end(), [&](const ImportLayout& l) { return l.name == name; });
  if (found != all.end()) return *found;
  std::string names;
  for (const ImportLayout& l : all) names += concat(names.empty() ? "" : ", ", l.name);
  usage_error("--import ", name, ": no such layout; there are ", names);
}

void import(const Flags& f) {
  const ImportLayout& layout = layout_of(f.layout);
  if (f.paths.empty()) usage_error("--import ", f.layout, ": no file is named");
  const ImportReport report = score_stored(layout, f.paths);
  check_keeps_inputs(f.output);
  const std::string by = f.by.empty() ? layout.group : f.by;
  if (!f.json) return write_result(import_text(report, by, f.attribute), f.output);
  Json out = result_header("score_import");
  out.update(Json(import_json(report, by, f.attribute)));
  write_json(out, f.output);
}

/// Which of the four things is asked for.
int run(const Flags& f) {
  const bool folder = !f.paths.empty() && f.layout.empty();
  if (f.list + !f.algorithm.empty() + !f.layout.empty() + folder != 1)
    usage_error("score: give one of --list, --algorithm with --cases, --import with files, or a run's folder");
  if (folder) {
    if (f.paths.size() != 1) usage_error("score: ", f.paths.size(), " folders of runs; one is scored at a time");
    return score_folder(f.paths[0], f.run);
  }
  check_output(f.output, Output::text);
  if (!f.algorithm.empty()) {
    write_json(results_of(f), f.output);
  } else if (!f.layout.empty()) {
    import(f);
  } else if (f.json) {
    write_json(list_json(), f.output);
  } else {
    write_result(list_text(), f.output);
  }
  return 0;
}

}  // namespace

void add_score(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  flags->run.installed = GLMV_BENCHMARKS;
  CLI::App* verb = app.add_subcommand("score", "Score stored responses, or run one scoring rule on given inputs");
  verb->add_option("paths", flags->paths, "a run's folder; with --import: files or folders");
  verb->add_flag("--list", flags->list, "print the scoring rules");
  CLI::Option* algorithm = verb->add_option("--algorithm", flags->algorithm, "id of a rule");
  CLI::Option* cases = verb->add_option("--cases", flags->cases, "JSON file with a list of inputs");
  algorithm->needs(cases);
  cases->needs(algorithm);
  CLI::Option* layout = verb->add_option(
      "--import", flags->layout,
      "layout of stored responses: mmmu, mathvista, lmms-eval (samples JSONL), vlmevalkit (TSV or JSON), rows");
  verb->add_option("--by", flags->by,
                   "with --import: groups of the table: a field of the rows (subject, category, task ...)")
      ->needs(layout);
  verb->add_flag("--attribute", flags->attribute, "with --import: each row on which rules disagree, and why")
      ->needs(layout);
  verb->add_flag("--json", flags->json, "print JSON (glmv.score_rules/1, glmv.score_import/1)");
  verb->add_flag("--installed-manifests", flags->run.use_installed,
                 "score a run by the rules that are installed now, not by those it was begun with");
  verb->add_option("-o,--output", flags->output, "write the result to a file")->check(not_empty());
  flags->run.add(*verb);
  flags->run.add_waiting(*verb);
  verb->footer(kExamples);
  verb->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace glmv::cli
