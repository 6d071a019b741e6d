#include "reference/pos_embed.h"

#include <Eigen/Core>

#include "reference/core/parallel.h"
#include "reference/core/rows.h"

namespace glmv {

void check(const PosEmbedArgs& a) {
  GLMV_CHECK(a.x.rank == 2 && a.out.rank == 2 && a.x.dim[0] == a.out.dim[0] && a.x.dim[1] == a.out.dim[1], "x ", a.x,
             " out ", a.out);
  GLMV_CHECK(a.x.dtype == a.out.dtype, "x ", a.x, " out ", a.out);
  GLMV_CHECK(a.table.rank == 2 && a.table.dim[0] == a.side * a.side && a.table.dim[1] == a.x.dim[1], "table ", a.table,
             " side ", a.side, " x ", a.x);
  for (const ConstTensorView& v : {a.index_y, a.index_x, a.weight_y, a.weight_x}) {
    GLMV_CHECK(v.rank == 2 && v.dim[0] == a.x.dim[0] && v.dim[1] == 4 && v.contiguous(), v, " x ", a.x);
  }
}

namespace ref {
namespace {

template <class Acc>
void body(const PosEmbedArgs& a) {
  using Row = Eigen::Array<Acc, 1, Eigen::Dynamic>;
  const auto iy = as<int32_t, 2>(a.index_y), ix = as<int32_t, 2>(a.index_x);
  const auto wy = as<float, 2>(a.weight_y), wx = as<float, 2>(a.weight_x);
  const int64_t width = a.x.dim[1];
  // The sample takes the table's type; a gold run keeps it exact.
  const DType sample_type = a.out.dtype == DType::f64   ? DType::f64
                            : a.out.dtype == DType::f32 ? DType::f32
                                                        : a.table.dtype;
  parallel_for(a.x.dim[0], 40 * a.x.dim[1], [&](int64_t p) {
    Row sample = Row::Zero(width), line(width), entry(width), x(width);
    for (int j = 0; j < 4; ++j) {
      line.setZero();
      for (int i = 0; i < 4; ++i) {
        load_row(row_of(a.table, iy(p, j) * a.side + ix(p, i)), a.table.dtype, width, entry.data());
        line += static_cast<Acc>(wx(p, i)) * entry;
      }
      sample += static_cast<Acc>(wy(p, j)) * line;
    }
    load_row(row_of(a.x, p), a.x.dtype, width, x.data());
    for (int64_t d = 0; d < width; ++d) x(d) += round_to(sample_type, sample(d));
    store_row(x.data(), width, a.out.dtype, row_of(a.out, p));
  });
}

}  // namespace

void pos_embed(const PosEmbedArgs& a, Exec) {
  check(a);
  with_accumulator(a.out.dtype, [&](auto acc) { body<decltype(acc)>(a); });
}

}  // namespace ref
}  // namespace glmv
