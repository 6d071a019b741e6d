// The CUDA backends. Two builds of one source: for a device, and for the emulator; they share no symbol.
#pragma once

#include "reference/core/backend.h"

namespace glmv::cuda {
/// "cuda-naive": the plain rung on the first device. Error (exit code 5) on first use if there is none.
const Backend& naive_backend();
}  // namespace glmv::cuda

namespace glmv::cuda_emulated {
/// "cuda-naive-emulated": the same source on the emulator.
const Backend& naive_backend();
}  // namespace glmv::cuda_emulated
