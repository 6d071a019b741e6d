// A whole run: which cases, on what, and the result.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/session.h"

namespace glmv::bench {

struct Selection {
  std::vector<std::string> ops;   ///< ops ("rmsnorm"), families ("moe"), or parts of names with a "/"; empty = all
  std::vector<int64_t> tokens;    ///< empty = any
  std::vector<int64_t> contexts;  ///< of attention; empty = any
  std::string dtype;              ///< "bf16", "f32"; empty = any
};

/// The cases that are worth timing and match. A case's whole name selects it even if it is small. Error (exit code 2)
/// for a word that selects nothing.
std::vector<const Case*> select_cases(const Selection& selection, const std::vector<Case>& from);

/// Cases whose call is expected to take longer than `most_seconds` on one of these ceilings, or whose tensors do not
/// fit into half of the memory that is free, are taken out; how many, and why, for people.
std::string drop_unaffordable(std::vector<const Case*>& cases, const std::vector<Ceilings>& ceilings,
                              double most_seconds);

/// Peaks of every contender's backend, in the order of the contenders; each backend is measured once.
std::vector<Ceilings> measure_ceilings(const std::vector<Contender>& contenders, bool quick);

/// Peaks that were measured again after the run: the better ones count, and where both are far apart the ceilings say
/// so.
void take_best(const std::vector<Ceilings>& again, BenchResult& result);

/// A user's kernel on every small case of its ops, in the order of the cases: checked, not timed.
std::vector<Row> check_small_cases(const std::vector<Case>& cases, const Contender& who, const Protocol& protocol);

/// Runs them; `before(i, n, case)` is called before each. Error (exit code 2) for no case.
BenchResult run_bench(const std::vector<const Case*>& cases, const std::vector<Contender>& contenders,
                      const std::vector<Ceilings>& ceilings, const Protocol& protocol,
                      const std::function<void(size_t, size_t, const Case&)>& before);

}  // namespace glmv::bench
