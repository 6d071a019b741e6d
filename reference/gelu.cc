#include "reference/gelu.h"

#include <cmath>

#include "reference/core/parallel.h"
#include "reference/core/rows.h"

namespace glmv {

void check(const GeluArgs& a) {
  GLMV_CHECK(a.x.rank == 2 && a.out.rank == 2 && a.x.dim[0] == a.out.dim[0] && a.x.dim[1] == a.out.dim[1] &&
                 a.x.dtype == a.out.dtype,
             "x ", a.x, " out ", a.out);
  GLMV_CHECK(last_axis_adjacent(a.x) && last_axis_adjacent(a.out), "x ", a.x, " out ", a.out);
}

namespace ref {
namespace {

template <class Acc>
void body(const GeluArgs& a) {
  constexpr Acc kInverseSqrt2 = Acc(0.70710678118654752440);
  const int64_t width = a.x.dim[1];
  parallel_for(a.x.dim[0], 64 * a.x.dim[1], [&](int64_t t) {
    std::vector<Acc> x(static_cast<size_t>(width));
    load_row(row_of(a.x, t), a.x.dtype, width, x.data());
    for (Acc& v : x) v = v * Acc(0.5) * (Acc(1) + std::erf(v * kInverseSqrt2));
    store_row(x.data(), width, a.out.dtype, row_of(a.out, t));
  });
}

}  // namespace

void gelu(const GeluArgs& a, Exec) {
  check(a);
  with_accumulator(a.out.dtype, [&](auto acc) { body<decltype(acc)>(a); });
}

}  // namespace ref
}  // namespace glmv
