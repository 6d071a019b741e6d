// The HIP backends. Two builds of one source: for a device, and for the emulator; they share no symbol.
#pragma once

#include "reference/core/backend.h"

namespace glmv::hip {
/// "hip-naive": the plain rung on the first device; "hip": the tuned one. Error (exit code 5) on first use if there
/// is no device.
const Backend& naive_backend();
const Backend& backend();
}  // namespace glmv::hip

namespace glmv::hip_emulated {
/// "hip-naive-emulated", "hip-emulated": the same sources on the emulator.
const Backend& naive_backend();
const Backend& backend();
}  // namespace glmv::hip_emulated
