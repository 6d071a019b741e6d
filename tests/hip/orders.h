// The tuned kernels' bits must not depend on the order in which threads get their turn.
#pragma once

#include <algorithm>

#include "reference/backends.h"
#include "tests/emulated_case.h"

namespace glmv {

inline const Backend& emulated() { return find_backend("hip-emulated"); }

inline bool is_of(const Case& c, std::initializer_list<const char*> ops) {
  const std::string op = op_of(c);
  return std::any_of(ops.begin(), ops.end(), [&](const char* o) { return op == o; });
}

inline std::string bytes_of(const Case& c, simt::Order order, uint64_t seed) {
  return bytes_of(c, order, seed, emulated());
}

}  // namespace glmv
