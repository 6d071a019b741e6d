// score: one scoring rule on given inputs.
#include <fmt/format.h>

#include <algorithm>

#include "cli/output.h"
#include "cli/verbs.h"
#include "data/file.h"
#include "data/json_file.h"
#include "eval/algorithms.h"
#include "reference/core/error.h"

namespace glmv::cli {
namespace {

struct Flags {
  std::string algorithm, cases, output;
  bool list = false, json = false;
};

constexpr const char* kExamples = R"(Examples:
  glmv score --list
      every scoring rule: its id, what it does, whose behaviour it is; fields and outputs of each: eval/README.md
  glmv score --algorithm mc_can_infer --cases data/samples/score/mc_can_infer.json
      the file is a list of cases, {"input": {fields of the rule}} or the fields themselves; printed is one object
      {"schema": "glmv.score/1", "algorithm": ID, "results": [...]} with one result per case, in their order. null is
      a result: not inferable, rejected, or no number.)";

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
  const auto wrapped = entry.is_object() ? entry.find("input") : entry.end();
  return entry.is_object() && wrapped != entry.end() ? *wrapped : entry;
}

Json results_of(const Flags& f) {
  constexpr int kMostLevels = 64;
  const nlohmann::json cases = parse_json(read_file(f.cases), f.cases, kMostLevels);
  if (!cases.is_array()) input_error(f.cases, ": not a list of cases");
  check_keeps_inputs(f.output);
  Json out = result_header("score");
  out["algorithm"] = f.algorithm;
  out["results"] = Json::array();
  for (size_t i = 0; i < cases.size(); ++i) {
    try {
      out["results"].push_back(run_algorithm(f.algorithm, input_of(cases[i])));
    } catch (const Error& e) {
      throw Error(e.code(), concat(f.cases, ": case ", i, ": ", e.what()));
    }
  }
  return out;
}

int run(const Flags& f) {
  check_output(f.output, Output::text);
  if (f.list) {
    if (f.json) {
      write_json(list_json(), f.output);
    } else {
      write_result(list_text(), f.output);
    }
    return 0;
  }
  if (f.algorithm.empty() || f.cases.empty()) usage_error("score: give --algorithm and --cases, or --list");
  const auto known = algorithms();
  if (std::none_of(known.begin(), known.end(), [&](const AlgorithmInfo& a) { return a.id == f.algorithm; }))
    usage_error("--algorithm ", f.algorithm, ": no such scoring rule (glmv score --list says what there is)");
  write_json(results_of(f), f.output);
  return 0;
}

}  // namespace

void add_score(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand("score", "Run one scoring rule on given inputs");
  verb->add_flag("--list", flags->list, "print the scoring rules");
  verb->add_option("--algorithm", flags->algorithm, "id of a rule")
      ->needs(verb->add_option("--cases", flags->cases, "JSON file with a list of inputs"));
  verb->add_flag("--json", flags->json, "with --list: print JSON (glmv.score_rules/1)");
  verb->add_option("-o,--output", flags->output, "write the result to a file");
  verb->footer(kExamples);
  verb->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace glmv::cli
