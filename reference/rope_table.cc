#include "reference/rope_table.h"

#include <cmath>
#include <vector>

#include "reference/core/rows.h"

namespace glmv {

void check(const RopeTableArgs& a) {
  GLMV_CHECK(a.positions.dtype == DType::i32 && a.positions.rank == 2, a.positions);
  GLMV_CHECK(a.inv_freq.dtype == DType::f32 && a.inv_freq.rank == 1, a.inv_freq);
  GLMV_CHECK(a.axis.dtype == DType::i32 && a.axis.rank == 1 && a.axis.dim[0] == a.inv_freq.dim[0], a.axis);
  for (const TensorView& v : {a.cos, a.sin}) {
    GLMV_CHECK(v.rank == 2 && v.dim[0] == a.positions.dim[1] && v.dim[1] == a.inv_freq.dim[0], v, " positions ",
               a.positions, " inv_freq ", a.inv_freq);
    GLMV_CHECK(v.dtype == DType::f32 || v.dtype == DType::bf16, v);
  }
}

namespace ref {

void rope_table(const RopeTableArgs& a, Exec) {
  check(a);
  const auto position = as<int32_t, 2>(a.positions);
  const auto inv_freq = as<float, 1>(a.inv_freq);
  const auto axis = as<int32_t, 1>(a.axis);
  const int64_t frequencies = inv_freq.dim[0];
  std::vector<float> cosine(static_cast<size_t>(frequencies)), sine(static_cast<size_t>(frequencies));
  for (int64_t t = 0; t < position.dim[1]; ++t) {
    for (int64_t j = 0; j < frequencies; ++j) {
      GLMV_CHECK(axis(j) >= 0 && axis(j) < position.dim[0], "axis ", axis(j), " of frequency ", j);
      const float angle = static_cast<float>(position(axis(j), t)) * inv_freq(j);
      // Rounded once from double: the true f32 value, whatever library evaluates it.
      cosine[static_cast<size_t>(j)] = static_cast<float>(std::cos(static_cast<double>(angle)));
      sine[static_cast<size_t>(j)] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
    store_row(cosine.data(), frequencies, a.cos.dtype, row_of(a.cos, t));
    store_row(sine.data(), frequencies, a.sin.dtype, row_of(a.sin, t));
  }
}

}  // namespace ref
}  // namespace glmv
