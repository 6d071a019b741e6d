#include "reference/layernorm.h"

#include <cmath>

#include "reference/core/parallel.h"
#include "reference/core/rows.h"

namespace glmv {

void check(const LayerNormArgs& a) {
  GLMV_CHECK(a.x.rank == 2 && a.out.rank == 2 && a.x.dim[0] == a.out.dim[0] && a.x.dim[1] == a.out.dim[1], "x ", a.x,
             " out ", a.out);
  GLMV_CHECK(a.x.dtype == a.out.dtype, "x ", a.x, " out ", a.out);
  for (const ConstTensorView& v : {a.weight, a.bias}) {
    GLMV_CHECK(v.rank == 1 && v.dim[0] == a.x.dim[1], v, " x ", a.x);
  }
  GLMV_CHECK(last_axis_adjacent(a.x) && last_axis_adjacent(a.out), "x ", a.x, " out ", a.out);
}

namespace ref {
namespace {

template <class Acc>
void body(const LayerNormArgs& a) {
  const std::vector<Acc> weight = widened<Acc>(a.weight), bias = widened<Acc>(a.bias);
  const std::vector<Acc> ones(weight.size(), Acc(1));
  const int64_t width = a.x.dim[1];
  parallel_for(a.x.dim[0], 8 * a.x.dim[1], [&](int64_t t) {
    std::vector<Acc> x(weight.size());
    load_row(row_of(a.x, t), a.x.dtype, width, x.data());
    const Acc mean = dot(x.data(), ones.data(), width) / static_cast<Acc>(width);
    for (Acc& v : x) v -= mean;
    const Acc variance = dot(x.data(), x.data(), width) / static_cast<Acc>(width);
    const Acc scale = Acc(1) / std::sqrt(variance + static_cast<Acc>(a.eps));
    for (size_t h = 0; h < x.size(); ++h) x[h] = x[h] * scale * weight[h] + bias[h];
    store_row(x.data(), width, a.out.dtype, row_of(a.out, t));
  });
}

}  // namespace

void layernorm(const LayerNormArgs& a, Exec) {
  check(a);
  with_accumulator(a.out.dtype, [&](auto acc) { body<decltype(acc)>(a); });
}

}  // namespace ref
}  // namespace glmv
