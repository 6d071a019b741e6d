// Procedural values made where they are needed: a stack of layers for timing has no file to come from.
#pragma once

#include <string_view>

#include "reference/core/exec.h"
#include "reference/core/procedural.h"

namespace glmv::GLMV_BACKEND {

/// Backend::fill. Error: a type that is not f32, bf16 or f8e4m3, or elements that are not adjacent.
void fill(std::string_view name, const Procedural& law, DType rounded_to, const TensorView& out, Stream stream);

}  // namespace glmv::GLMV_BACKEND
