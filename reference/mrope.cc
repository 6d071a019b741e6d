#include "reference/mrope.h"

#include "reference/core/parallel.h"
#include "reference/core/rows.h"

namespace glmv {

void check(const MropeArgs& a) {
  GLMV_CHECK(a.x.rank == 3 && a.out.rank == 3 && a.x.dtype == a.out.dtype, "x ", a.x, " out ", a.out);
  for (int i = 0; i < 3; ++i) GLMV_CHECK(a.x.dim[i] == a.out.dim[i], "x ", a.x, " out ", a.out);
  for (const ConstTensorView& v : {a.cos, a.sin}) {
    GLMV_CHECK(v.rank == 2 && v.dim[0] == a.x.dim[0] && 2 * v.dim[1] <= a.x.dim[2] && last_axis_adjacent(v), v, " x ",
               a.x);
  }
  GLMV_CHECK(a.cos.dim[1] == a.sin.dim[1], "cos ", a.cos, " sin ", a.sin);
  GLMV_CHECK(last_axis_adjacent(a.x) && last_axis_adjacent(a.out), "x ", a.x, " out ", a.out);
}

namespace ref {
namespace {

template <class Acc>
void body(const MropeArgs& a) {
  const int64_t heads = a.x.dim[1], width = a.x.dim[2], pairs = a.cos.dim[1];
  const DType inner = a.rounding == Rounding::hf || a.out.dtype == DType::f64 ? a.out.dtype : DType::f32;
  const int64_t second = a.pairing == Pairing::half_split ? pairs : 1;  // distance of a pair's two dimensions
  const int64_t step = a.pairing == Pairing::half_split ? 1 : 2;        // distance of two pairs
  parallel_for(a.x.dim[0], 8 * a.x.dim[1] * a.x.dim[2], [&](int64_t t) {
    std::vector<Acc> cosine(static_cast<size_t>(pairs)), sine(static_cast<size_t>(pairs));
    std::vector<Acc> x(static_cast<size_t>(width)), products(static_cast<size_t>(4 * pairs));
    Acc *const first_c = products.data(), *const other_s = first_c + pairs, *const other_c = other_s + pairs,
               *const first_s = other_c + pairs;
    load_row(row_of(a.cos, t), a.cos.dtype, pairs, cosine.data());
    load_row(row_of(a.sin, t), a.sin.dtype, pairs, sine.data());
    for (int64_t h = 0; h < heads; ++h) {
      load_row(row_of(a.x, t, h), a.x.dtype, width, x.data());
      for (int64_t j = 0; j < pairs; ++j) {
        const Acc first = x[static_cast<size_t>(j * step)], other = x[static_cast<size_t>(j * step + second)];
        const Acc c = cosine[static_cast<size_t>(j)], s = sine[static_cast<size_t>(j)];
        first_c[j] = first * c, other_s[j] = other * s, other_c[j] = other * c, first_s[j] = first * s;
      }
      round_row(inner, products.data(), 4 * pairs);
      for (int64_t j = 0; j < pairs; ++j) {
        x[static_cast<size_t>(j * step)] = first_c[j] - other_s[j];
        x[static_cast<size_t>(j * step + second)] = other_c[j] + first_s[j];
      }
      store_row(x.data(), width, a.out.dtype, row_of(a.out, t, h));
    }
  });
}

}  // namespace

void mrope(const MropeArgs& a, Exec) {
  check(a);
  with_accumulator(a.out.dtype, [&](auto acc) { body<decltype(acc)>(a); });
}

}  // namespace ref
}  // namespace glmv
