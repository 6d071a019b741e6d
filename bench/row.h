// One line of a result: a case on a backend, checked and timed.
#pragma once

#include <string>
#include <vector>

#include "bench/machine.h"
#include "bench/roofline.h"
#include "bench/stats.h"

namespace glmv::bench {

enum class Status : uint8_t {
  timed,
  unstable,  ///< timed, but something disturbed it: `why` says what
  invalid,   ///< its result is wrong, so it was not timed
  left_out,  ///< the backend does not have it or does not take it
};
/// "ok", "unstable", "INVALID", "left out".
const char* word_for(Status status);

struct Row {
  std::string name;  ///< "rmsnorm/bf16_hf_T8_H4096/backend:cpu/l2:cold": what two results are paired by
  std::string case_name, op, backend, l2, clock;
  DType dtype = DType::bf16;  ///< of the operands of its products
  Status status = Status::timed;
  std::string why;
  Rounds seconds;       ///< raw samples
  int64_t retaken = 0;  ///< samples that were taken again because the system had taken a core meanwhile
  Cost cost;
  int64_t tokens = 0, context = 0, experts_touched = 0, most_rows = 0;
  double pad_efficiency = 0;             ///< rows over rows rounded up to tiles of 64 per expert; 0 = no experts
  double of_allowed = 0, worst_ulp = 0;  ///< the check's largest error
  double cpu_seconds = 0;                ///< per sample, all threads, emptying the cache included
  double canary_seconds = 0, flush_seconds = 0;  ///< medians: the clock's speed and the memory's
  Roofline measured, sheet;
  std::string repro;  ///< the command that repeats it

  bool has_time() const { return status == Status::timed || status == Status::unstable; }
  double quantile_seconds(double q) const { return quantile(pooled(seconds), q); }
  double flops_per_s() const { return cost.flops / quantile_seconds(0.5); }
  double bytes_per_s() const { return cost.bytes / quantile_seconds(0.5); }
  /// Share of the roofline's speed that was reached; 0 if there is none. Above 1 the bytes or the peak are wrong.
  double of_roofline() const { return measured.seconds / quantile_seconds(0.5); }
  double of_sheet() const { return sheet.seconds / quantile_seconds(0.5); }
};

/// What was measured on one backend besides its rows.
struct Ceilings {
  std::string backend, device;
  DeviceFacts facts;
  Peaks measured, sheet;
  std::string doubt;  ///< why the measured ones may be too low, as a sentence; or ""
};

struct BenchResult {
  std::string created, version, command;  ///< UTC, of the program, as typed
  Machine machine;
  double load = 0;  ///< runnable processes before it began, average of a minute
  std::vector<Ceilings> ceilings;
  std::vector<Row> rows;

  const Ceilings* ceilings_of(const std::string& backend) const;
};

/// Google Benchmark's JSON with our counters, raw samples (samples_ns, by round) and context.glmv.
std::string to_json(const BenchResult& result);
/// Reads it back. Error (exit code 3) for another kind of file, naming it, the field and the value.
BenchResult read_bench_result(const std::string& path);
std::string to_csv(const BenchResult& result);
/// A table for a pull request.
std::string to_markdown(const BenchResult& result);
/// Lines for a terminal.
std::string to_text(const BenchResult& result);

/// True for a time that no kernel can have by the measured peaks, warm data aside.
bool is_above_roof(const Row& row);
/// What is to be said of the peaks, a sentence each.
std::vector<std::string> notes_on_roofs(const BenchResult& result);

/// 12.3 us, 1.24 ms, 2.10 s.
std::string duration_text(double seconds);
/// 118 GB/s, 24.1 GFLOP/s: a number with a unit's prefix and three digits.
std::string rate_text(double per_second, const char* unit);

}  // namespace glmv::bench
