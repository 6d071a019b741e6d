// The CUDA backends. Two builds of one source: for a device, and for the emulator; they share no symbol.
#pragma once

#include "reference/core/backend.h"

namespace glmv::cuda {
/// "cuda-naive": the plain rung on the first device; "cuda": the tuned one. Error (exit code 5) on first use if there
/// is no device.
const Backend& naive_backend();
const Backend& backend();
/// "cuda-wgmma": the tuned rung with the kernels of cuda/wgmma/, for devices of compute capability 9.0.
const Backend& wgmma_backend();
}  // namespace glmv::cuda

namespace glmv::cuda_emulated {
/// "cuda-naive-emulated", "cuda-emulated", "cuda-wgmma-emulated": the same sources on the emulator.
const Backend& naive_backend();
const Backend& backend();
const Backend& wgmma_backend();
}  // namespace glmv::cuda_emulated
