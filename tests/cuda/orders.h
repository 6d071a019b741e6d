// The tuned kernels' bits must not depend on the order in which threads get their turn.
#pragma once

#include "reference/backends.h"
#include "tests/emulated_case.h"

namespace glmv {

inline const Backend& emulated() { return find_backend("cuda-emulated"); }

inline std::string bytes_of(const Case& c, simt::Order order, uint64_t seed) {
  return bytes_of(c, order, seed, emulated());
}

}  // namespace glmv
