// Procedural values: tensors that a name and an index determine, the same bits here and in the Python that makes
// goldens.
#pragma once

#include <cstdint>
#include <string_view>

#include "reference/core/view.h"

namespace glmv {

/// value_i = offset + scale * (2 u_i - 1), u_i uniform in [0, 1) from a hash of name and flat index i (splitmix64 of
/// FNV-1a 64), computed in double, rounded to f32 and then to the tensor's type.
struct Procedural {
  double scale = 1;
  double offset = 0;
};

/// FNV-1a 64 of a tensor's name.
uint64_t procedural_hash(std::string_view name);

/// u_i: the top 24 bits of splitmix64's output, as a fraction.
GLMV_HD inline double procedural_unit(uint64_t hash, uint64_t i) {
  uint64_t z = hash + (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<double>(z >> 40) * (1.0 / 16777216.0);
}

/// Fills contiguous host memory of any float type; values are rounded to `rounded_to` first. `first` is the flat index
/// of the first value: a part of a tensor gets the values it has in the whole.
void fill_procedural_as(std::string_view name, const Procedural& law, DType rounded_to, const TensorView& out,
                        int64_t first = 0);

/// The same without a type to round to between f32 and the tensor's.
void fill_procedural(std::string_view name, const Procedural& law, const TensorView& out);

/// The same with f32 values rounded to bf16 first, as stored weights are, whatever the tensor's type.
void fill_procedural_bf16(std::string_view name, const Procedural& law, const TensorView& out);

}  // namespace glmv
