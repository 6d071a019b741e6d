// Weights that need no file: every value follows from the tensor's name and its index (core/procedural).
#pragma once

#include <functional>
#include <string>

#include "reference/core/procedural.h"
#include "reference/model/weights.h"

namespace glmv {

/// The law of one tensor: matrices sqrt(3 / fan_in), embedding and position tables sqrt(3), norm weights 1 +- 0.3,
/// biases 0.2, correction biases 0.1. tests/golden/README.md states the same rule for Python.
Procedural procedural_law(const WeightInfo& info);

/// bf16 tensors (correction biases f32) for all names that `wanted` accepts; the others stay empty.
Weights procedural_weights(const ModelConfig& config, const std::function<bool(const std::string& name)>& wanted);

}  // namespace glmv
