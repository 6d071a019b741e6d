// The backend "cuda-cublaslt": the tuned rung with linear done by NVIDIA's library. A peer to compare with: it has no
// emulated twin, because there is no source of ours to run.
#pragma once

#include "reference/core/backend.h"

namespace glmv::cuda {
const Backend& cublaslt_backend();
}  // namespace glmv::cuda
