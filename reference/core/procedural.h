// Procedural values: tensors that a name and an index determine, the same bits here and in the Python that makes
// goldens.
#pragma once

#include <string_view>

#include "reference/core/view.h"

namespace glmv {

/// value_i = offset + scale * (2 u_i - 1), u_i uniform in [0, 1) from a hash of name and flat index i (splitmix64 of
/// FNV-1a 64), computed in double, rounded to f32 and then to the tensor's type.
struct Procedural {
  double scale = 1;
  double offset = 0;
};

/// Fills contiguous host memory of any float type.
void fill_procedural(std::string_view name, const Procedural& law, const TensorView& out);

/// The same with f32 values rounded to bf16 first, as stored weights are, whatever the tensor's type.
void fill_procedural_bf16(std::string_view name, const Procedural& law, const TensorView& out);

}  // namespace glmv
