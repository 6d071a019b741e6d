// Google Benchmark as the driver: each sample is one iteration of manual time.
#pragma once

#include <vector>

#include "bench/session.h"

namespace glmv::bench {

/// Runs one round per entry of `order`, a contender of the session, one after the other.
void run_rounds(CaseSession& session, const std::vector<size_t>& order);

/// Registers every case worth timing on every backend that is here, for Google Benchmark's own main and flags; names
/// are Row::name. A wrong result is an error of its benchmark.
void register_cases(const Protocol& protocol);

}  // namespace glmv::bench
