// compare: two results of `glmv bench`, pair by pair, with a test on the raw samples.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "bench/compare.h"
#include "cli/bench.h"
#include "cli/eval.h"
#include "cli/flags.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace glmv::cli {
namespace {

struct Flags {
  std::string before, after, output, format = "text";
  double threshold_percent = 5;
  bool exit_zero = false, attribute = false;
};

constexpr const char* kExamples = R"(Examples:
  glmv compare main.json mine.json
      SAME, FASTER, SLOWER, UNSTABLE or INVALID for every case that both have; exit code 1 if one is SLOWER or INVALID
  glmv compare main.json mine.json --threshold 3 --format markdown
      differences from 3 % on, as a table for a pull request
  glmv compare runs/a runs/b --attribute
      two runs of eval: which samples differ and why (input, truncation, text, judge, extraction); exit code 1 if any)";

int run(const Flags& f) {
  const bool folders = std::filesystem::is_directory(f.before);
  if (folders != std::filesystem::is_directory(f.after))
    usage_error("two results of bench are wanted, or two folders of eval runs");
  if (folders) return compare_run_folders(f.before, f.after, f.attribute, f.format == "json", f.output);
  if (f.attribute) usage_error("--attribute is for two folders of eval runs");
  check_output(f.output, Output::text);
  const bench::BenchResult before = bench::read_bench_result(f.before), after = bench::read_bench_result(f.after);
  check_keeps_inputs(f.output);
  bench::CompareOptions options;
  options.threshold = f.threshold_percent / 100;
  std::vector<bench::Compared> list = bench::compare_rows(before.rows, after.rows, options);
  std::string notes;
  if (list.empty()) {
    list = bench::compare_rows(bench::by_case(before.rows, after.rows), after.rows, options);
    if (!list.empty()) notes = concat("paired by case: ", before.rows[0].backend, " and ", after.rows[0].backend, "\n");
  }
  if (list.empty()) usage_error(f.before, " and ", f.after, " have no case in common");
  if (before.machine.cpu != after.machine.cpu)
    notes += concat("measured on different machines: ", before.machine.cpu, " and ", after.machine.cpu, "\n");
  write_result(comparison_in(list, f.format) + notes, f.output);
  const bool nothing = std::all_of(list.begin(), list.end(),
                                   [](const bench::Compared& c) { return c.verdict == bench::Verdict::missing; });
  if (nothing && !f.exit_zero) return static_cast<int>(ExitCode::skipped);
  return f.exit_zero ? 0 : exit_code_of(list);
}

}  // namespace

std::string comparison_in(const std::vector<bench::Compared>& list, const std::string& format,
                          const bench::Sides& sides) {
  if (format == "markdown") return bench::comparison_markdown(list, sides);
  if (format == "text") return bench::comparison_text(list, sides);
  Json out = result_header("compare");
  out["pairs"] = Json::array();
  for (const bench::Compared& c : list) {
    out["pairs"].push_back({{"name", c.name},
                            {"verdict", bench::word_for(c.verdict)},
                            {"why", c.why},
                            {"before_ns", 1e9 * c.before},
                            {"after_ns", 1e9 * c.after},
                            {"ratio", c.ratio},
                            {"ratio_low", c.interval.low},
                            {"ratio_high", c.interval.high},
                            {"p", c.p}});
  }
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

int exit_code_of(const std::vector<bench::Compared>& list) {
  const bool bad = std::any_of(list.begin(), list.end(), [](const bench::Compared& c) {
    return c.verdict == bench::Verdict::slower || c.verdict == bench::Verdict::invalid;
  });
  return bad ? static_cast<int>(ExitCode::differs) : 0;
}

void add_compare(CLI::App& app, int& exit_code) {
  auto f = std::make_shared<Flags>();
  CLI::App* verb =
      app.add_subcommand("compare", "Two results of bench, or two runs of eval: what differs, and is it real?");
  verb->add_option("before", f->before, "a result of `glmv bench --format json`, or the folder of an eval run")
      ->required();
  verb->add_option("after", f->after, "another one")->required();
  verb->add_option("--threshold", f->threshold_percent, "percent; smaller differences are none")
      ->check(between(0, 1000))
      ->capture_default_str();
  verb->add_option("--format", f->format, "text, markdown or json")
      ->check(CLI::IsMember({"text", "markdown", "json"}))
      ->capture_default_str();
  verb->add_flag("--attribute", f->attribute, "eval runs: every differing sample and its cause");
  verb->add_flag("--exit-zero", f->exit_zero, "exit code 0 even if something is slower");
  verb->add_option("-o,--output", f->output, "write the result to a file")->check(not_empty());
  verb->footer(kExamples);
  verb->callback([f, &exit_code] { exit_code = run(*f); });
}

}  // namespace glmv::cli
