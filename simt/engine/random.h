// The seeded random numbers of Order::random: the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>

#include "reference/core/splitmix.h"

namespace glmv::simt {

class Random {
 public:
  explicit Random(uint64_t seed) : numbers_(seed) {}
  /// A number in [0, n).
  size_t below(size_t n) { return numbers_.next() % n; }

 private:
  SplitMix64 numbers_;
};

}  // namespace glmv::simt
