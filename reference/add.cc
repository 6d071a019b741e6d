#include "reference/add.h"

#include "reference/core/parallel.h"
#include "reference/core/rows.h"

namespace glmv {

void check(const AddArgs& a) {
  for (const ConstTensorView& v : {a.a, a.b}) {
    GLMV_CHECK(v.rank == 2 && v.dim[0] == a.out.dim[0] && v.dim[1] == a.out.dim[1] && v.dtype == a.out.dtype, v,
               " out ", a.out);
    GLMV_CHECK(last_axis_adjacent(v) && last_axis_adjacent(a.out), v, " out ", a.out);
  }
}

namespace ref {
namespace {

template <class Acc>
void body(const AddArgs& a) {
  const int64_t width = a.out.dim[1];
  parallel_for(a.out.dim[0], 4 * a.out.dim[1], [&](int64_t t) {
    std::vector<Acc> x(static_cast<size_t>(width)), y(static_cast<size_t>(width));
    load_row(row_of(a.a, t), a.a.dtype, width, x.data());
    load_row(row_of(a.b, t), a.b.dtype, width, y.data());
    for (size_t h = 0; h < x.size(); ++h) x[h] += y[h];
    store_row(x.data(), width, a.out.dtype, row_of(a.out, t));
  });
}

}  // namespace

void add(const AddArgs& a, Exec) {
  check(a);
  with_accumulator(a.out.dtype, [&](auto acc) { body<decltype(acc)>(a); });
}

}  // namespace ref
}  // namespace glmv
