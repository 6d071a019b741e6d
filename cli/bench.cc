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
                      const std::string& format, const bench::Sides& sides) {
  if (format == "json") return bench::to_json(result);
  if (format == "csv") return bench::to_csv(result);
  if (format == "html") return bench::page_of(result, compared);
  std::string text = format == "markdown" ? bench::to_markdown(result) : bench::to_text(result);
  if (!compared.empty()) text += '\n' + comparison_in(compared, format, sides);
  return text;
}

/// Those that were named, else the host and every device that is here; an emulator's time is nobody's.
std::vector<const Backend*> backends_of(const Flags& f) {
  std::vector<const Backend*> list;
  for (const std::string& name : f.backends) {
    const Backend* b = &find_backend(name);
    if (std::find(list.begin(), list.end(), b) != list.end()) usage_error("--backend ", name, ": is given twice");
    list.push_back(b);
  }
  if (!list.empty()) return list;
  std::string absent;
  for (const Backend* b : linked_backends()) {
    if (b->emulated) continue;
    if (absence(*b).empty()) {
      list.push_back(b);
    } else {
      absent += concat(absent.empty() ? "" : ", ", b->name);
    }
  }
  if (!absent.empty() && !f.quiet) std::cerr << "no device here, so not run: " << absent << '\n';
  return list;
}

const char* place_of(Space space) {
  switch (space) {
    case Space::host: return "the host";
    case Space::cuda: return "a CUDA device";
    case Space::hip: return "a HIP device";
  }
  return "";
}

std::vector<bench::Contender> contenders_of(const Flags& f) {
  std::vector<bench::Contender> list;
  const std::vector<const Backend*> backends = backends_of(f);
  list.reserve(backends.size() + f.libraries.size());
  for (const Backend* b : backends) list.push_back({b, nullptr});
  for (const std::string& path : f.libraries) {
    const auto kernel = std::make_shared<const bench::UserKernel>(path);
    const auto its =
        std::find_if(backends.begin(), backends.end(), [&](const Backend* b) { return b->space == kernel->space(); });
    if (its == backends.end()) {
      throw Error(ExitCode::no_device, concat(path, ": its kernels want memory of ", place_of(kernel->space()),
                                              ", which is not among the backends of this run"));
    }
    for (const bench::Contender& other : list) {
      if (other.kernel != nullptr && other.kernel->name() == kernel->name()) {
        usage_error("--lib ", path, " and ", other.kernel->path(),
                    ": rows are called by the file's name, so both would be ", other.name());
      }
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
  if (earlier != nullptr) {
    std::vector<bench::Compared> list = bench::compare_rows(earlier->rows, result.rows, options);
    if (list.empty()) list = bench::compare_rows(bench::by_case(earlier->rows, result.rows), result.rows, options);
    if (list.empty()) usage_error("--baseline ", f.baseline, ": has no case in common with this run");
    return list;
  }
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
  f.protocol.samples = 15, f.protocol.seconds = 0.25, f.protocol.repeat_unstable = false;
  f.max_seconds = std::min(f.max_seconds, 0.01);
  if (f.selection.tokens.empty() && f.selection.ops.empty()) f.selection.tokens = {1, 8};
}

/// The first library of which not one case was timed, or "".
std::string untimed_library(const std::vector<bench::Contender>& contenders, const bench::BenchResult& result) {
  for (const bench::Contender& who : contenders) {
    const auto is_its = [&](const bench::Row& r) { return r.backend == who.name() && r.has_time(); };
    if (who.kernel != nullptr && std::none_of(result.rows.begin(), result.rows.end(), is_its))
      return who.kernel->path();
  }
  return "";
}

/// Users' kernels on the small cases, whose odd lengths break more kernels than the model's do. The last thing that is
/// done: one that crashes on them does not take the measurements with it. False if one is wrong.
bool are_right_when_small(const Flags& f, const std::vector<bench::Contender>& contenders, const Cases& cases) {
  bool all_right = true;
  for (const bench::Contender& who : contenders) {
    if (who.kernel == nullptr) continue;
    constexpr int64_t kMostSaid = 3;
    int64_t right = 0, refused = 0, wrong = 0;
    for (bench::Row& r : bench::check_small_cases(cases, who, f.protocol)) {
      right += r.status == bench::Status::timed;
      refused += r.status == bench::Status::left_out;
      if (r.status != bench::Status::invalid) continue;
      all_right = false;
      if (++wrong <= kMostSaid) std::cerr << "INVALID: " << r.why << "\n    repeat: " << r.repro << '\n';
    }
    if (!f.quiet) {
      std::cerr << who.kernel->path() << ": " << right << " small cases are right, " << wrong << " wrong, " << refused
                << " it does not take\n";
    }
  }
  return all_right;
}

int exit_code_for(const Flags& f, const std::vector<bench::Contender>& contenders, const bench::BenchResult& result,
                  const std::vector<bench::Compared>& compared) {
  if (f.exit_zero) return 0;
  const auto has = [&](bench::Status s) {
    return std::any_of(result.rows.begin(), result.rows.end(), [&](const bench::Row& r) { return r.status == s; });
  };
  if (has(bench::Status::invalid)) return static_cast<int>(ExitCode::differs);
  if (!untimed_library(contenders, result).empty()) return static_cast<int>(ExitCode::partial);
  if (!has(bench::Status::timed) && !has(bench::Status::unstable)) return static_cast<int>(ExitCode::skipped);
  return exit_code_of(compared);
}

bench::BenchResult read_baseline(const std::string& name) {
  if (!std::filesystem::exists(name))
    input_error("--baseline ", name, ": is neither a contender of this run nor a file");
  return bench::read_bench_result(name);
}

/// "before" and "after", or the two contenders.
bench::Sides sides_of(const Flags& f, const std::vector<bench::Contender>& contenders, bool is_earlier) {
  if (is_earlier || contenders.size() != 2) return is_earlier ? bench::Sides() : bench::Sides{f.baseline, "this"};
  return {f.baseline, contenders[contenders[0].name() == f.baseline ? 1 : 0].name()};
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
    earlier = std::make_unique<bench::BenchResult>(read_baseline(f.baseline));
  Cases cases = all_cases();
  if (!f.routing.empty()) {
    f.protocol.command += " --routing " + f.routing;
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
  progress.say("measuring the peaks again");
  bench::take_best(bench::measure_ceilings(contenders, f.quick), result);
  progress.clear();
  result.version = GLMV_VERSION, result.command = f.command;
  std::vector<bench::Compared> compared;
  if (!f.baseline.empty()) compared = compared_with(f, contenders, result, earlier.get());
  const bench::Sides sides = sides_of(f, contenders, earlier != nullptr);
  for (const std::string& path : f.outputs) write_result(formatted(result, compared, format_of(path), sides), path);
  if (f.outputs.empty()) {
    write_result(formatted(result, compared, f.format, sides), "");
  } else if (!f.quiet) {
    std::cerr << formatted(result, compared, "text", sides);
  }
  const std::string untimed = untimed_library(contenders, result);
  if (!untimed.empty() && !f.quiet) std::cerr << untimed << ": not one of its cases was timed\n";
  if (!are_right_when_small(f, contenders, cases) && !f.exit_zero) return static_cast<int>(ExitCode::differs);
  return exit_code_for(f, contenders, result, compared);
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
  verb->add_option(
      "--lib", f->libraries,
      "a shared library of your own kernels (bench/glmv_kernel.h); exit code 4 if none of it could be timed");
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
  verb->add_flag("--quick", f->quick,
                 "few samples, and no case whose call takes over 0.01 s; without ops only those of 1 and 8 tokens");
  verb->add_option("--format", f->format, "of what is printed without -o: text, json, csv, markdown or html")
      ->check(CLI::IsMember({"text", "json", "csv", "markdown", "html"}))
      ->capture_default_str();
  verb->add_option("-o,--output", f->outputs, "write the result to FILE.json, .csv, .md or .html; may be repeated")
      ->check(not_empty());
  verb->add_flag("--exit-zero", f->exit_zero, "exit code 0 even if something is wrong or slower");
  verb->add_flag("-q,--quiet", f->quiet, "no progress");
  verb->footer(kExamples);
  verb->callback([f, &exit_code] {
    f->command = command_line();
    exit_code = run(*f);
  });
}

}  // namespace glmv::cli
