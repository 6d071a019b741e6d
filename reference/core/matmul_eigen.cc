#include <Eigen/Core>

#include "reference/core/matmul.h"
#include "reference/core/rows.h"

namespace glmv {
namespace {

template <class Acc>
using RowMajor = Eigen::Matrix<Acc, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class Acc>
void product(const ConstTensorView& x, const Weight& w, const ConstTensorView& bias, const TensorView& out) {
  RowMajor<Acc> a(x.dim[0], x.dim[1]), b(w.rows(), w.cols());
  for (int64_t t = 0; t < a.rows(); ++t) load_row(row_of(x, t), x.dtype, a.cols(), a.row(t).data());
  for (int64_t n = 0; n < b.rows(); ++n) widen_weight(w, n, 0, b.cols(), b.row(n).data());
  RowMajor<Acc> c = a * b.transpose();
  if (bias) {
    const std::vector<Acc> row = widened<Acc>(bias);
    c.rowwise() += Eigen::Map<const Eigen::Matrix<Acc, 1, Eigen::Dynamic>>(row.data(), c.cols());
  }
  for (int64_t t = 0; t < c.rows(); ++t) store_row(c.row(t).data(), c.cols(), out.dtype, row_of(out, t));
}

}  // namespace

void matmul_eigen(const ConstTensorView& x, const Weight& w, const ConstTensorView& bias, const TensorView& out) {
  with_accumulator(out.dtype, [&](auto acc) { product<decltype(acc)>(x, w, bias, out); });
}

}  // namespace glmv
