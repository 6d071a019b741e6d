// Python's random.seed(n) and random.choice: some scripts draw an answer where they find none, from a fixed seed, and
// their published scores contain the draws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

namespace glmv::py {

/// MT19937 seeded as CPython seeds it from a non-negative integer below 2^32.
class Random {
 public:
  explicit Random(uint32_t seed);
  /// The index that random.choice takes of `n` > 0 things.
  size_t choice(size_t n);

 private:
  std::mt19937 engine_;
};

}  // namespace glmv::py
