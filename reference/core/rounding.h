// Where a 16-bit run rounds.
#pragma once

#include <cstdint>

namespace glmv {

/// f64 and f32 runs ignore it: their storage type is their arithmetic type.
enum class Rounding : uint8_t {
  hf,    ///< at every point at which the Hugging Face model (eager attention, grouped experts) rounds
  once,  ///< only the op's output; inner values stay in the accumulator's type, as fused kernels keep them
};

/// "f32", "bf16 rounded as Hugging Face does" and "bf16 rounded once" in names: "", "hf", "once".
inline const char* name_of(Rounding r) { return r == Rounding::hf ? "hf" : "once"; }

/// Which two dimensions of a head a rotary frequency turns.
enum class Pairing : uint8_t {
  half_split,  ///< (j, j + R/2): GLM-4.5V, GLM-4.6V and the vision tower
  even_odd,    ///< (2j, 2j + 1): GLM-4.1V, GLM-4.6V-Flash
};

}  // namespace glmv
