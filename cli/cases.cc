// cases: the shapes every op is checked on; run them on a backend, or take one away as a file.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iostream>

#include "cli/flags.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "data/pattern.h"
#include "data/safetensors.h"
#include "reference/all_cases.h"
#include "reference/backends.h"

namespace glmv::cli {
namespace {

struct Flags {
  std::string pattern, dump, check, output;
  RunFlags run;
  uint64_t seed = 1;
  bool seed_given = false;
  bool list = false, describe = false, json = false, quiet = false, large = false;
};

constexpr const char* kExamples = R"(Examples:
  glmv cases attention
      runs every case whose name matches, against its computed tolerance
  glmv cases --list
      all names, with type, arithmetic and whether they are small
  glmv cases silu_mul/bf16_hf_T7_F33 --describe
      its tensors with types and shapes, and its other arguments
  glmv cases --dump moe_route/groups_f32_T9_H24_E12_K3 -o case.safetensors
      inputs, gold and allowed error per element, the other arguments in the metadata, for a kernel written elsewhere
  glmv cases moe_route/groups_f32_T9_H24_E12_K3 --check mine.safetensors
      judges what that kernel made of it: a file with the case's outputs under their names)";

std::vector<const Case*> matching(const std::string& pattern) {
  std::vector<const Case*> found;
  for (const Case& c : all_cases()) {
    if (c.name == pattern) return {&c};
  }
  const Pattern wanted = Pattern::compile(pattern, "pattern");
  for (const Case& c : all_cases()) {
    if (wanted.found_in(c.name)) found.push_back(&c);
  }
  if (found.empty()) usage_error("no case matches ", pattern, "; glmv cases --list prints them all");
  return found;
}

/// Those to run: large ones take seconds and gigabytes each, so they run when one is named or all are asked for.
std::vector<const Case*> to_run(const Flags& f) {
  std::vector<const Case*> cases = matching(f.pattern);
  if (f.large || (cases.size() == 1 && cases[0]->name == f.pattern)) return cases;
  const size_t all = cases.size();
  std::erase_if(cases, [](const Case* c) { return !c->small; });
  if (cases.empty()) usage_error("every case that matches ", f.pattern, " is large: name one, or give --large");
  if (cases.size() < all && !f.quiet) std::cerr << all - cases.size() << " large cases are left out (--large)\n";
  return cases;
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

Json listing_json(const std::vector<const Case*>& cases) {
  Json out = result_header("cases");
  out["cases"] = Json::array();
  for (const Case* c : cases) {
    out["cases"].push_back({{"name", c->name},
                            {"dtype", name_of(c->dtype)},
                            {"flops", c->flops},
                            {"small", c->small},
                            {"timed", c->bench}});
  }
  return out;
}

int dump(const Flags& f) {
  if (f.output.empty()) usage_error("--dump needs -o FILE.safetensors");
  check_output(f.output, Output::tensors);
  const Case& c = find_case(f.dump);
  const CaseDump dumped = dump_case(c, find_backend("cpu"), f.seed);
  NamedTensors named;
  for (const auto& [name, value] : dumped.tensors) named.emplace_back(name, value.view);
  std::map<std::string, std::string> metadata = {{"format", "glmv.case/1"},
                                                 {"case", c.name},
                                                 {"dtype", name_of(c.dtype)},
                                                 {"seed", std::to_string(f.seed)},
                                                 {"version", GLMV_VERSION}};
  for (const auto& [name, value] : dumped.arguments) metadata["argument/" + name] = value;
  write_safetensors(f.output, named, metadata);
  std::cerr << fmt::format("{}: {} tensors and {} other arguments of {}, seed {}\n", f.output, named.size(),
                           dumped.arguments.size(), c.name, f.seed);
  return 0;
}

std::string shape_text(const TensorView& v) {
  std::string out = "[";
  for (int i = 0; i < v.rank; ++i) out += concat(i == 0 ? "" : ", ", v.dim[i]);
  return out + ']';
}

/// What an op is called with: every tensor, the parts of tensors, the other arguments.
std::string description(const Case& c, uint64_t seed) {
  const Backend& cpu = find_backend("cpu");
  CaseRun run(cpu, c.dtype, c.dtype, seed);
  c.build(run, cpu.ops);
  std::string out = c.name + '\n';
  for (const CaseRun::Item& item : run.items()) {
    out += fmt::format("  {:<18} {:<7} {:<22} {}\n", item.name, name_of(item.view.dtype), shape_text(item.view),
                       item.is_output ? "output" : "input");
  }
  for (const CaseRun::Part& part : run.parts()) {
    out += fmt::format("  {:<18} {:<7} {:<22} {}\n", part.name, name_of(part.view.dtype), shape_text(part.view),
                       run.arguments().at(part.name));
  }
  for (const auto& [name, value] : run.arguments()) {
    const bool is_part = std::any_of(run.parts().begin(), run.parts().end(),
                                     [&name = name](const CaseRun::Part& part) { return part.name == name; });
    if (!is_part) out += fmt::format("  {:<18} = {}\n", name, value);
  }
  return out;
}

std::string descriptions(const std::vector<const Case*>& cases, uint64_t seed) {
  std::string out;
  for (const Case* c : cases) out += description(*c, seed);
  return out;
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
                              {"worst_index", o.comparison.worst},
                              {"gold", o.comparison.gold},
                              {"got", o.comparison.got},
                              {"allowed", o.comparison.allowed},
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

/// The seed that a file's metadata tells, if it was made from a dump, unless --seed says it; must not contradict.
uint64_t seed_of(const SafetensorsFile& file, const Flags& f) {
  const auto found = file.metadata().find("seed");
  if (found == file.metadata().end()) return f.seed;
  uint64_t seed = 0;
  const std::string& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error != std::errc() || end != text.data() + text.size()) {
    input_error(file.path(), ": metadata: seed is ", text, ", not a whole number");
  }
  if (f.seed_given && seed != f.seed) usage_error(file.path(), " was made with seed ", seed, ", --seed is ", f.seed);
  return seed;
}

const Case& case_of(const SafetensorsFile& file, const Flags& f) {
  const auto found = file.metadata().find("case");
  const bool named = found != file.metadata().end();
  if (!named && f.pattern.empty()) usage_error("--check needs the name of the case: glmv cases NAME --check FILE");
  if (named && !f.pattern.empty() && found->second != f.pattern) {
    usage_error(file.path(), " was made for case ", found->second, ", not for ", f.pattern);
  }
  return find_case(f.pattern.empty() ? found->second : f.pattern);
}

std::string check_text(const CaseReport& r) {
  std::string out = fmt::format("{}, seed {}: {}\n", r.name, r.seed, word(r.status));
  for (const OutputReport& o : r.outputs) {
    const std::string& what = !o.detail.empty() ? o.detail : o.worst.empty() ? "as gold" : o.worst;
    out += fmt::format("  {:<12} {:<6}  {}\n", o.name, o.within ? "within" : "BEYOND", what);
  }
  return out;
}

/// Judges what a kernel written elsewhere computed.
int check(Flags f) {
  const SafetensorsFile file = SafetensorsFile::open(f.check);
  const Case& c = case_of(file, f);
  check_keeps_inputs(f.output);
  f.seed = seed_of(file, f);
  CaseReport report;
  try {
    report = check_case(c, find_backend("cpu"), f.seed, file.tensors());
  } catch (const Error& e) {
    throw Error(e.code(), concat(f.check, ": ", e.what()));
  }
  if (f.json) {
    Json out = as_json({report}, f);
    out["checked"] = f.check;
    out.erase("backend");
    write_json(out, f.output);
  } else {
    write_result(check_text(report), f.output);
  }
  return report.status == CaseReport::Status::failed ? static_cast<int>(ExitCode::differs) : 0;
}

void check_flags(const Flags& f) {
  if (int{f.list} + int{f.describe} + !f.dump.empty() + !f.check.empty() > 1)
    usage_error("--list, --describe, --dump and --check exclude each other");
  if (f.describe && f.pattern.empty()) usage_error("--describe: which cases? A name or a pattern is wanted");
  if (f.describe && f.json) usage_error("--describe is for people: leave out --json; --dump writes a file");
  if (!f.dump.empty() && f.json) usage_error("--dump writes a safetensors file: leave out --json");
  if (!f.dump.empty() && !f.pattern.empty()) usage_error("--dump names its case: leave out ", f.pattern);
  if (f.run.backend != "cpu" && (f.list || !f.dump.empty() || !f.check.empty())) {
    usage_error("--backend ", f.run.backend, ": only where cases are run; gold is always computed by cpu");
  }
}

int run(const Flags& f) {
  const Backend& backend = f.run.use();
  check_flags(f);
  if (!f.dump.empty()) return dump(f);
  check_output(f.output, Output::text);
  if (!f.check.empty()) return check(f);
  if (f.list) {
    const std::vector<const Case*> cases = matching(f.pattern);
    if (f.json) {
      write_json(listing_json(cases), f.output);
    } else {
      write_result(listing(cases), f.output);
    }
    return 0;
  }
  const std::vector<const Case*> cases = to_run(f);
  if (f.describe) {
    write_result(descriptions(cases, f.seed), f.output);
    return 0;
  }
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
  verb->add_flag("--describe", flags->describe, "print tensors, shapes and arguments of the cases that match");
  verb->add_flag("--large", flags->large, "run those of the model's real size too");
  verb->add_option("--dump", flags->dump, "write one case to -o: inputs, gold, allowed error, other arguments");
  verb->add_option("--check", flags->check, "judge the outputs in a safetensors file, computed elsewhere from a dump");
  flags->run.add(*verb, false);
  CLI::Option* seed = verb->add_option("--seed", flags->seed, "of the inputs");
  seed->check(unsigned_number())->capture_default_str();
  verb->add_flag("--json", flags->json, "print JSON (glmv.cases/1)");
  verb->add_flag("-q,--quiet", flags->quiet, "no progress");
  verb->add_option("-o,--output", flags->output, "write the result to a file")->check(not_empty());
  verb->footer(kExamples);
  verb->callback([flags, seed, &exit_code] {
    flags->seed_given = seed->count() > 0;
    exit_code = run(*flags);
  });
}

}  // namespace glmv::cli
