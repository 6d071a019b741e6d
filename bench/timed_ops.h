// A backend whose ops are timed where they run: each waits for itself, so that their times add up.
#pragma once

#include <string>
#include <vector>

#include "reference/core/backend.h"

namespace glmv::bench {

struct OpTime {
  std::string op;
  int64_t calls = 0;
  double seconds = 0;
};

/// `inner` with ops that can be timed. One at a time: the clocks belong to the program, not to the value.
Backend with_timed_ops(const Backend& inner);
/// From now on they are timed, from zero, or run as ever.
void time_ops(bool on);
/// Of the ops that were called, in the order of the table.
std::vector<OpTime> op_times();

}  // namespace glmv::bench
