#include "reference/rmsnorm.h"

#include <cmath>

#include "reference/core/parallel.h"
#include "reference/core/rows.h"

namespace glmv {

void check(const RmsNormArgs& a) {
  GLMV_CHECK(a.x.rank == 2 && a.out.rank == 2 && a.x.dim[0] == a.out.dim[0] && a.x.dim[1] == a.out.dim[1], "x ", a.x,
             " out ", a.out);
  GLMV_CHECK(a.x.dtype == a.out.dtype, "x ", a.x, " out ", a.out);
  GLMV_CHECK(a.weight.rank == 1 && a.weight.dim[0] == a.x.dim[1], "weight ", a.weight, " x ", a.x);
  GLMV_CHECK(last_axis_adjacent(a.x) && last_axis_adjacent(a.out), "x ", a.x, " out ", a.out);
}

namespace ref {
namespace {

template <class Acc>
void body(const RmsNormArgs& a, Reduction reduction) {
  const std::vector<Acc> weight = widened<Acc>(a.weight);
  const int64_t width = a.x.dim[1];
  const DType inner = a.rounding == Rounding::hf || a.out.dtype == DType::f64 ? a.out.dtype : DType::f32;
  parallel_for(a.x.dim[0], 8 * width, [&](int64_t t) {
    std::vector<Acc> x(weight.size());
    load_row(row_of(a.x, t), a.x.dtype, width, x.data());
    const Acc mean_square = dot(x.data(), x.data(), width, reduction) / static_cast<Acc>(width);
    const Acc scale = Acc(1) / std::sqrt(mean_square + static_cast<Acc>(a.eps));
    for (Acc& value : x) value *= scale;
    round_row(inner, x.data(), width);
    for (size_t h = 0; h < weight.size(); ++h) x[h] *= weight[h];
    store_row(x.data(), width, a.out.dtype, row_of(a.out, t));
  });
}

}  // namespace

void rmsnorm(const RmsNormArgs& a, Exec exec) {
  check(a);
  with_accumulator(a.out.dtype, [&](auto acc) { body<decltype(acc)>(a, exec.reduction); });
}

}  // namespace ref
}  // namespace glmv
