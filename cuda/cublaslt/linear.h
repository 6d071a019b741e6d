#pragma once

#include "reference/core/exec.h"
#include "reference/linear.h"

namespace glmv::cuda::cublaslt {

/// Workspace of the algorithm that the library's heuristic names; asked for once per shape and remembered, so that a
/// step whose shapes have been met may be captured.
size_t linear_scratch(const LinearArgs&);
void linear(const LinearArgs&, Exec);

}  // namespace glmv::cuda::cublaslt
