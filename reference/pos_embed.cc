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
using Row = Eigen::Array<Acc, 1, Eigen::Dynamic>;

/// The sixteen taps of one patch.
template <class Acc>
struct Taps {
  const PosEmbedArgs& a;
  int64_t patch;

  Acc weight_y(int64_t j) const { return static_cast<Acc>(as<float, 2>(a.weight_y)(patch, j)); }
  Acc weight_x(int64_t i) const { return static_cast<Acc>(as<float, 2>(a.weight_x)(patch, i)); }
  void load(int64_t j, int64_t i, Row<Acc>& entry) const {
    const int64_t y = as<int32_t, 2>(a.index_y)(patch, j), x = as<int32_t, 2>(a.index_x)(patch, i);
    load_row(row_of(a.table, y * a.side + x), a.table.dtype, entry.size(), entry.data());
  }
};

/// Along each line, then across the lines, as the library does.
template <class Acc>
Row<Acc> sample_by_lines(const Taps<Acc>& taps, int64_t width) {
  Row<Acc> sample = Row<Acc>::Zero(width), line(width), entry(width);
  for (int64_t j = 0; j < 4; ++j) {
    line.setZero();
    for (int64_t i = 0; i < 4; ++i) {
      taps.load(j, i, entry);
      line += taps.weight_x(i) * entry;
    }
    sample += taps.weight_y(j) * line;
  }
  return sample;
}

/// One sum of sixteen products with the two weights multiplied first, in another legal order.
template <class Acc>
Row<Acc> sample_in_order(const Taps<Acc>& taps, int64_t width, Reduction reduction) {
  Row<Acc> sum = Row<Acc>::Zero(width), negative = Row<Acc>::Zero(width), entry(width);
  for (int64_t step = 0; step < 16; ++step) {
    const int64_t tap = reduction == Reduction::reversed ? 15 - step : step;
    taps.load(tap / 4, tap % 4, entry);
    entry *= taps.weight_y(tap / 4) * taps.weight_x(tap % 4);
    if (reduction == Reduction::signs_apart) {
      sum += entry.max(Acc(0));
      negative += entry.min(Acc(0));
    } else {
      sum += entry;
    }
  }
  return sum + negative;
}

template <class Acc>
void body(const PosEmbedArgs& a, Reduction reduction) {
  const int64_t width = a.x.dim[1];
  // The sample takes the table's type; a gold run keeps it exact.
  const DType sample_type = a.out.dtype == DType::f64   ? DType::f64
                            : a.out.dtype == DType::f32 ? DType::f32
                                                        : a.table.dtype;
  const bool by_lines = reduction == Reduction::blocked || reduction == Reduction::eigen;
  parallel_for(a.x.dim[0], 40 * a.x.dim[1], [&](int64_t p) {
    const Taps<Acc> taps{a, p};
    const Row<Acc> sample = by_lines ? sample_by_lines(taps, width) : sample_in_order(taps, width, reduction);
    Row<Acc> x(width);
    load_row(row_of(a.x, p), a.x.dtype, width, x.data());
    for (int64_t d = 0; d < width; ++d) x(d) += round_to(sample_type, sample(d));
    store_row(x.data(), width, a.out.dtype, row_of(a.out, p));
  });
}

}  // namespace

void pos_embed(const PosEmbedArgs& a, Exec exec) {
  check(a);
  with_accumulator(a.out.dtype, [&](auto acc) { body<decltype(acc)>(a, exec.reduction); });
}

}  // namespace ref
}  // namespace glmv
