// cases: the shapes every op is checked on; run them on a backend, or take one away as a file.
#include <fmt/format.h>

#include <regex>

#include "cli/flags.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "data/safetensors.h"
#include "reference/all_cases.h"
#include "reference/backends.h"

namespace glmv::cli {
namespace {

struct Flags {
  std::string pattern, dump, output;
  RunFlags run;
  uint64_t seed = 1;
  bool list = false, json = false, quiet = false;
};

constexpr const char* kExamples = R"(Examples:
  glmv cases attention
      runs every case whose name matches, against its computed tolerance
  glmv cases --list
      all names, with type, arithmetic and whether they are small
  glmv cases --dump moe_route/groups_f32_T9_H24_E12_K3 -o case.safetensors
      inputs, gold and allowed error per element, for a kernel written elsewhere)";

std::vector<const Case*> matching(const std::string& pattern) {
  std::vector<const Case*> found;
  try {
    const std::regex wanted(pattern.empty() ? ".*" : pattern);
    for (const Case& c : all_cases()) {
      if (c.name == pattern || std::regex_search(c.name, wanted)) found.push_back(&c);
    }
  } catch (const std::regex_error& e) {
    usage_error(pattern, ": not a regular expression: ", e.what());
  }
  if (found.empty()) usage_error("no case matches ", pattern, "; glmv cases --list prints them all");
  return found;
}

std::string listing(const std::vector<const Case*>& cases) {
  std::string out;
  for (const Case* c : cases) {
    out += fmt::format("{:<72} {:<5} {:>10}{}{}\n", c->name, name_of(c->dtype),
                       c->flops > 0 ? fmt::format("{:.3g} FLOP", c->flops) : "", c->small ? "" : "  large",
                       c->bench ? "  timed" : "");
  }
  return out + fmt::format("{} cases\n", cases.size());
}

void dump(const Flags& f) {
  if (f.output.empty()) usage_error("--dump needs -o FILE.safetensors");
  const Case& c = find_case(f.dump);
  const auto tensors = dump_case(c, find_backend("cpu"), f.seed);
  NamedTensors named;
  for (const auto& [name, value] : tensors) named.emplace_back(name, value.view);
  write_safetensors(
      f.output, named,
      {{"format", "glmv.case/1"}, {"case", c.name}, {"seed", std::to_string(f.seed)}, {"version", GLMV_VERSION}});
}

const char* word(CaseReport::Status s) {
  return s == CaseReport::Status::passed ? "passed" : s == CaseReport::Status::failed ? "FAILED" : "not implemented";
}

Json as_json(const std::vector<CaseReport>& reports, const Flags& f) {
  Json out = result_header("cases");
  out["backend"] = f.run.backend;
  out["seed"] = f.seed;
  out["cases"] = Json::array();
  for (const CaseReport& r : reports) {
    Json j = {{"name", r.name}, {"status", word(r.status)}, {"duration_ns", static_cast<int64_t>(r.seconds * 1e9)}};
    for (const OutputReport& o : r.outputs) {
      j["outputs"].push_back({{"name", o.name},
                              {"within", o.within},
                              {"peak_ulp", o.comparison.peak_ulp},
                              {"of_allowed", o.comparison.excess},
                              {"detail", o.detail}});
    }
    out["cases"].push_back(std::move(j));
  }
  return out;
}

std::string line(const CaseReport& r) {
  double ulp = 0, excess = 0;
  for (const OutputReport& o : r.outputs)
    ulp = std::max(ulp, o.comparison.peak_ulp), excess = std::max(excess, o.comparison.excess);
  return fmt::format("{:<72} {:>10.3g} {:>10.3g}  {}\n", r.name, ulp, excess, word(r.status)) + r.failures();
}

int run(const Flags& f) {
  if (!f.dump.empty()) {
    dump(f);
    return 0;
  }
  const std::vector<const Case*> cases = matching(f.pattern);
  if (f.list) {
    write_result(listing(cases), f.output);
    return 0;
  }
  const Backend& backend = f.run.use();
  Progress progress(f.quiet);
  std::vector<CaseReport> reports;
  std::string text = fmt::format("{:<72} {:>10} {:>10}\n", "case", "worst ulp", "of allowed");
  int64_t counts[3] = {};
  for (const Case* c : cases) {
    progress.say(fmt::format("{} of {}: {}", reports.size() + 1, cases.size(), c->name));
    reports.push_back(run_case(*c, find_backend("cpu"), backend, f.seed));
    text += line(reports.back());
    ++counts[static_cast<size_t>(reports.back().status)];
  }
  progress.clear();
  text += fmt::format("{} passed, {} failed, {} not implemented\n", counts[0], counts[1], counts[2]);
  if (f.json) {
    write_json(as_json(reports, f), f.output);
  } else {
    write_result(text, f.output);
  }
  return counts[1] > 0 ? static_cast<int>(ExitCode::differs) : counts[0] == 0 ? static_cast<int>(ExitCode::skipped) : 0;
}

}  // namespace

void add_cases(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand("cases", "The shapes every op is checked on: run, list or dump them");
  verb->add_option("pattern", flags->pattern, "a name or regular expression; all cases without it");
  verb->add_flag("--list", flags->list, "print names only");
  verb->add_option("--dump", flags->dump, "write one case to -o: inputs, gold, allowed error");
  flags->run.add(*verb, false);
  verb->add_option("--seed", flags->seed, "of the inputs")->capture_default_str();
  verb->add_flag("--json", flags->json, "print JSON (glmv.cases/1)");
  verb->add_flag("-q,--quiet", flags->quiet, "no progress");
  verb->add_option("-o,--output", flags->output, "write the result to a file");
  verb->footer(kExamples);
  verb->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace glmv::cli
