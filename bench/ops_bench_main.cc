// ops_bench: every case worth timing, for those who know Google Benchmark: --benchmark_filter, --benchmark_list_tests,
// --benchmark_out. `glmv bench` has readable selection, rooflines, comparisons and a page.
#include <benchmark/benchmark.h>

#include <iostream>

#include "bench/google.h"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  try {
    glmv::bench::register_cases({});
    return benchmark::RunSpecifiedBenchmarks() > 0 ? 0 : 2;
  } catch (const glmv::Error& e) {
    std::cerr << "ops_bench: " << e.what() << '\n';
    return static_cast<int>(e.code());
  }
}
