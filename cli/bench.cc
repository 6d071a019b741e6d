// bench: the cases at the model's real sizes, checked, timed, and set against what the machine can do.
#include "cli/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>

#include "bench/page.h"
#include "bench/recorded.h"
#include "bench/runner.h"
#include "cli/flags.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "reference/all_cases.h"
#include "reference/backends.h"
#include "reference/core/parallel.h"

namespace glmv::cli {
namespace {

struct Flags {
  bench::Selection selection;
  bench::Protocol protocol;
  std::vector<std::string> backends, libraries, outputs;
  std::string l2 = "cold", format = "text", baseline, routing, command;
  double max_seconds = 0.05, threshold_percent = 5;
  int threads = 0;
  bool quick = false, quiet = false, exit_zero = false;
};

constexpr const char* kExamples = R"(Examples:
  glmv bench attention,moe,mrope --tokens 1,64
      those ops at GLM-4.5V's sizes on every device that is here, cold cache, beside the measured roofline
  glmv bench --quick -o bench.json -o bench.html
      a short look at everything; raw samples as Google Benchmark's JSON, and a page with the roofline
  glmv bench rmsnorm --lib ./mine.so --baseline cpu
      a kernel of your own (bench/glmv_kernel.h), checked and timed beside ours; exit code 1 if it is slower or wrong
  glmv bench linear --tokens 64 --baseline main.json
      and compared with an earlier result)";

/// Text formats by the ending of a file's name.
std::string format_of(const std::string& path) {
  const std::string ending = std::filesystem::path(path).extension();
  if (ending == ".json") return "json";
  if (ending == ".csv") return "csv";
  if (ending == ".md") return "markdown";
  if (ending == ".html") return "html";
  usage_error("-o ", path, ": a name that ends in .json, .csv, .md or .html is wanted");
}

std::string formatted(const bench::BenchResult& result, const std::vector<bench::Compared>& compared,
                      const std::string& format) {
  if (format == "json") return bench::to_json(result);
  if (format == "csv") return bench::to_csv(result);
  if (format == "html") return bench::page_of(result, compared);
  std::string text = format == "markdown" ? bench::to_markdown(result) : bench::to_text(result);
  if (!compared.empty()) text += '\n' + comparison_in(compared, format);
  return text;
}

/// Those that were named, else the host and every device that is here; an emulator's time is nobody's.
std::vector<const Backend*> backends_of(const Flags& f) {
  std::vector<const Backend*> list;
  for (const std::string& name : f.backends) list.push_back(&find_backend(name));
  if (!list.empty()) return list;
  for (const Backend* b : linked_backends()) {
    if (b->emulated) continue;
    if (const std::string why = absence(*b); why.empty()) {
      list.push_back(b);
    } else if (!f.quiet) {
      std::cerr << "not run: " << b->name << " (" << why << ")\n";
    }
  }
  return list;
}

std::vector<bench::Contender> contenders_of(const Flags& f) {
  std::vector<bench::Contender> list;
  const std::vector<const Backend*> backends = backends_of(f);
  for (const Backend* b : backends) list.push_back({b, nullptr});
  for (const std::string& path : f.libraries) {
    const auto kernel = std::make_shared<const bench::UserKernel>(path);
    const auto its =
        std::find_if(backends.begin(), backends.end(), [&](const Backend* b) { return b->space == kernel->space(); });
    if (its == backends.end()) {
      throw Error(ExitCode::no_device,
                  concat(path, ": its kernels want memory of a ", kernel->space() == Space::host ? "host" : "device",
                         " that is not among the backends of this run"));
    }
    list.push_back({*its, kernel});
  }
  return list;
}

/// The pairs of --baseline: a contender of this run, or an earlier result.
std::vector<bench::Compared> compared_with(const Flags& f, const std::vector<bench::Contender>& contenders,
                                           const bench::BenchResult& result, const bench::BenchResult* earlier) {
  bench::CompareOptions options;
  options.threshold = f.threshold_percent / 100;
  if (earlier != nullptr) return bench::compare_rows(earlier->rows, result.rows, options);
  std::vector<bench::Row> before, after;
  for (const bench::Contender& c : contenders) {
    if (c.name() == f.baseline) continue;
    for (bench::Row& r : bench::rows_of(result.rows, f.baseline, c.name())) before.push_back(std::move(r));
    for (bench::Row& r : bench::rows_of(result.rows, c.name(), c.name())) after.push_back(std::move(r));
  }
  return bench::compare_rows(before, after, options);
}

bool is_contender(const std::string& name, const std::vector<bench::Contender>& list) {
  return std::any_of(list.begin(), list.end(), [&](const bench::Contender& c) { return c.name() == name; });
}

void use_quick(Flags& f) {
  f.protocol.samples = 12, f.protocol.seconds = 0.25, f.protocol.repeat_unstable = false;
  f.max_seconds = std::min(f.max_seconds, 0.01);
  if (f.selection.tokens.empty() && f.selection.ops.empty()) f.selection.tokens = {1, 8};
}

int exit_code_for(const Flags& f, const bench::BenchResult& result, const std::vector<bench::Compared>& compared) {
  if (f.exit_zero) return 0;
  const auto has = [&](bench::Status s) {
    return std::any_of(result.rows.begin(), result.rows.end(), [&](const bench::Row& r) { return r.status == s; });
  };
  if (has(bench::Status::invalid)) return static_cast<int>(ExitCode::differs);
  if (!has(bench::Status::timed) && !has(bench::Status::unstable)) return static_cast<int>(ExitCode::skipped);
  return exit_code_of(compared);
}

int run(Flags f) {
  for (const std::string& path : f.outputs) {
    format_of(path);
    check_output(path, Output::text);
  }
  if (f.outputs.empty()) check_output("", Output::text);
  f.protocol.l2 = bench::cache_state(f.l2);
  if (f.quick) use_quick(f);
  if (f.threads > 0) set_thread_count(f.threads);
  const std::vector<bench::Contender> contenders = contenders_of(f);
  std::unique_ptr<bench::BenchResult> earlier;
  if (!f.baseline.empty() && !is_contender(f.baseline, contenders))
    earlier = std::make_unique<bench::BenchResult>(bench::read_bench_result(f.baseline));
  Cases cases = all_cases();
  if (!f.routing.empty()) {
    for (Case& c : bench::recorded_cases(f.routing)) cases.push_back(std::move(c));
  }
  std::vector<const Case*> selected = bench::select_cases(f.selection, cases);
  for (const std::string& path : f.outputs) check_keeps_inputs(path);
  Progress progress(f.quiet);
  progress.say("measuring the peaks");
  const std::vector<bench::Ceilings> ceilings = bench::measure_ceilings(contenders, f.quick);
  const std::string left_out = bench::drop_unaffordable(selected, ceilings, f.max_seconds);
  progress.clear();
  if (!f.quiet) {
    std::cerr << fmt::format("{} cases on {} backends, l2 {}\n", selected.size(), contenders.size(), f.l2);
    if (!left_out.empty()) std::cerr << left_out << '\n';
  }
  bench::BenchResult result = bench::run_bench(
      selected, contenders, ceilings, f.protocol,
      [&](size_t i, size_t n, const Case& c) { progress.say(fmt::format("{} of {}: {}", i + 1, n, c.name)); });
  progress.clear();
  result.version = GLMV_VERSION, result.command = f.command;
  std::vector<bench::Compared> compared;
  if (!f.baseline.empty()) compared = compared_with(f, contenders, result, earlier.get());
  for (const std::string& path : f.outputs) write_result(formatted(result, compared, format_of(path)), path);
  if (f.outputs.empty()) {
    write_result(formatted(result, compared, f.format), "");
  } else if (!f.quiet) {
    std::cerr << formatted(result, compared, "text");
  }
  return exit_code_for(f, result, compared);
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
  auto f = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand("bench", "Times the ops at the model's real sizes; what is wrong is not timed");
  verb->add_option("ops", f->selection.ops, "ops, families (moe, attn, rope, norm, vision) or parts of case names")
      ->delimiter(',');
  verb->add_option("--backend", f->backends, "backends; the host and every device that is here without it")
      ->delimiter(',');
  verb->add_option("--tokens", f->selection.tokens, "only cases of so many tokens")->delimiter(',');
  verb->add_option("--context", f->selection.contexts, "only cases of so many cached tokens")->delimiter(',');
  verb->add_option("--dtype", f->selection.dtype, "only cases of this type")->check(CLI::IsMember({"bf16", "f32"}));
  verb->add_option("--l2", f->l2, "the cache when a call begins: cold, rotate (many copies) or warm")
      ->check(CLI::IsMember({"cold", "rotate", "warm"}))
      ->capture_default_str();
  verb->add_option("--lib", f->libraries, "a shared library of your own kernels (bench/glmv_kernel.h)");
  verb->add_option("--routing", f->routing, "a trace: its experts' inputs and choices become cases");
  verb->add_option("--baseline", f->baseline, "a backend of this run or an earlier JSON result to compare with");
  verb->add_option("--threshold", f->threshold_percent, "percent; smaller differences are none")
      ->check(between(0, 1000))
      ->capture_default_str();
  verb->add_option("--samples", f->protocol.samples, "at most, of each case")
      ->check(between(6, 10000))
      ->capture_default_str();
  verb->add_option("--seconds", f->protocol.seconds, "at most, of samples of each case")
      ->check(between(0.01, 3600))
      ->capture_default_str();
  verb->add_option("--max-seconds", f->max_seconds, "leave out cases of which a call takes longer")
      ->check(between(0.0001, 3600))
      ->capture_default_str();
  verb->add_option("--seed", f->protocol.seed, "of the inputs")->check(unsigned_number())->capture_default_str();
  verb->add_option("-t,--threads", f->threads, "threads of the host")->check(between(1, 1024));
  verb->add_flag("--quick", f->quick, "few samples of cases of 1 and 8 tokens");
  verb->add_option("--format", f->format, "of what is printed without -o: text, json, csv, markdown or html")
      ->check(CLI::IsMember({"text", "json", "csv", "markdown", "html"}))
      ->capture_default_str();
  verb->add_option("-o,--output", f->outputs, "write the result to FILE.json, .csv, .md or .html; may be repeated");
  verb->add_flag("--exit-zero", f->exit_zero, "exit code 0 even if something is wrong or slower");
  verb->add_flag("-q,--quiet", f->quiet, "no progress");
  verb->footer(kExamples);
  verb->callback([f, &exit_code] {
    f->command = command_line();
    exit_code = run(*f);
  });
}

}  // namespace glmv::cli
