#include "bench/google.h"

#include <benchmark/benchmark.h>

#include "bench/peaks.h"
#include "reference/all_cases.h"
#include "reference/backends.h"

namespace glmv::bench {
namespace {

/// Rows are reported by us, when all rounds of a case are done.
class Silent : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) GLMV_CHECK(!run.error_occurred, run.benchmark_name(), ": ", run.error_message);
  }
};

void count(benchmark::State& state, const Row& r) {
  using benchmark::Counter;
  state.counters["flops"] = r.cost.flops;
  state.counters["bytes"] = r.cost.bytes;
  state.counters["tflops"] = Counter(r.cost.flops / 1e12, Counter::kIsIterationInvariantRate);
  state.counters["gbps"] = Counter(r.cost.bytes / 1e9, Counter::kIsIterationInvariantRate);
  state.counters["ai"] = intensity(r.cost);
  state.counters["roofline_us"] = 1e6 * r.measured.seconds;
  state.counters["pct_roofline"] = 100 * r.of_roofline();
  state.counters["pct_sheet"] = 100 * r.of_sheet();
  state.counters["bound"] = static_cast<double>(r.measured.bound);
  state.counters["experts_touched"] = static_cast<double>(r.experts_touched);
  state.counters["pad_eff"] = r.pad_efficiency;
  state.counters["p10_us"] = 1e6 * r.quantile_seconds(0.1);
  state.counters["p90_us"] = 1e6 * r.quantile_seconds(0.9);
  state.counters["max_err"] = r.of_allowed;
}

const Ceilings& ceilings_of(const Backend& b) {
  static std::vector<std::unique_ptr<Ceilings>> known;
  for (const auto& c : known) {
    if (c->backend == b.name) return *c;
  }
  auto c = std::make_unique<Ceilings>();
  c->backend = b.name, c->measured = measure_peaks(b);
  known.push_back(std::move(c));
  return *known.back();
}

void run_registered(benchmark::State& state, const Case& c, const Backend& b, const Protocol& protocol) {
  Contender who;
  who.backend = &b;
  const Ceilings& ceilings = ceilings_of(b);
  CaseSession session(c, {who}, protocol);
  if (!session.is_timed(0)) {
    const Row r = session.row(0, ceilings);
    state.SkipWithError(concat(word_for(r.status), ": ", r.why).c_str());
    return;
  }
  session.begin_round(0);
  for (auto _ : state) state.SetIterationTime(session.sample(0));
  session.end_round(0);
  count(state, session.row(0, ceilings));
}

}  // namespace

void run_rounds(CaseSession& session, const std::vector<size_t>& order) {
  benchmark::ClearRegisteredBenchmarks();
  for (const size_t i : order) {
    const auto round = [&session, i](benchmark::State& state) {
      session.begin_round(i);
      for (auto _ : state) state.SetIterationTime(session.sample(i));
      session.end_round(i);
    };
    benchmark::RegisterBenchmark(session.name(i).c_str(), round)
        ->UseManualTime()
        ->Iterations(session.samples_per_round(i));
  }
  Silent silent;
  benchmark::RunSpecifiedBenchmarks(&silent, ".*");
  benchmark::ClearRegisteredBenchmarks();
}

void register_cases(const Protocol& protocol) {
  for (const Case& c : all_cases()) {
    if (!c.bench) continue;
    for (const Backend* b : linked_backends()) {
      if (b->emulated || !absence(*b).empty() || !c.has(b->ops)) continue;
      const std::string name = concat(c.name, "/backend:", b->name, "/l2:", name_of(protocol.l2));
      benchmark::RegisterBenchmark(
          name.c_str(), [&c, b, protocol](benchmark::State& state) { run_registered(state, c, *b, protocol); })
          ->UseManualTime()
          ->Iterations(protocol.samples)
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace glmv::bench
