#include <algorithm>

#include "reference/core/matmul.h"
#include "reference/core/parallel.h"
#include "reference/core/rows.h"

namespace glmv {
namespace {

constexpr int64_t kColumns = 8;  // weight rows at a time, side by side so that the compiler takes them as one vector

template <class Acc>
void product(const ConstTensorView& x, const Weight& w, const ConstTensorView& bias, const TensorView& out,
             Reduction reduction) {
  const int64_t rows = x.dim[0], k = w.cols();
  const bool reversed = reduction == Reduction::reversed, apart = reduction == Reduction::signs_apart;
  std::vector<Acc> inputs(static_cast<size_t>(rows * k));
  for (int64_t t = 0; t < rows; ++t) load_row(row_of(x, t), x.dtype, k, inputs.data() + t * k);
  const std::vector<Acc> start = bias ? widened<Acc>(bias) : std::vector<Acc>(static_cast<size_t>(w.rows()), Acc(0));
  parallel_for((w.rows() + kColumns - 1) / kColumns, [&](int64_t tile) {
    const int64_t first = tile * kColumns, columns = std::min(kColumns, w.rows() - first);
    std::vector<Acc> row(static_cast<size_t>(k)), weights(static_cast<size_t>(k * kColumns), Acc(0));
    for (int64_t n = 0; n < columns; ++n) {
      widen_weight(w, first + n, 0, k, row.data());
      for (int64_t i = 0; i < k; ++i) weights[static_cast<size_t>(i * kColumns + n)] = row[static_cast<size_t>(i)];
    }
    for (int64_t t = 0; t < rows; ++t) {
      Acc sum[kColumns] = {}, negative[kColumns] = {};
      std::copy_n(start.data() + first, columns, sum);
      for (int64_t step = 0; step < k; ++step) {
        const int64_t i = reversed ? k - 1 - step : step;
        const Acc value = inputs[static_cast<size_t>(t * k + i)];
        for (int64_t n = 0; n < kColumns; ++n) {
          const Acc product = value * weights[static_cast<size_t>(i * kColumns + n)];
          sum[n] += apart ? std::max(product, Acc(0)) : product;
          negative[n] += apart ? std::min(product, Acc(0)) : Acc(0);
        }
      }
      for (int64_t n = 0; n < columns; ++n) sum[n] += negative[n];
      char* to = static_cast<char*>(row_of(out, t)) + first * out.stride[1] * static_cast<int64_t>(size_of(out.dtype));
      store_row(sum, columns, out.dtype, to);
    }
  });
}

}  // namespace

void matmul_in_order(const ConstTensorView& x, const Weight& w, const ConstTensorView& bias, const TensorView& out,
                     Reduction reduction) {
  with_accumulator(out.dtype, [&](auto acc) {
    product<decltype(acc)>(x, w, bias, out, reduction);
  });
}

}  // namespace glmv
