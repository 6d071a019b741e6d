#include <algorithm>

#include "reference/core/matmul.h"
#include "reference/core/parallel.h"
#include "reference/core/rows.h"

namespace glmv {
namespace {

constexpr int64_t kColumns = 8;  // weight rows at a time, side by side so that the compiler takes them as one vector

/// total[n] += x . w of column n over the block that begins at `begin`; weights are [k, kColumns]. The first block goes
/// on from the bias, as a kernel that starts its accumulators there does.
template <class Acc>
void add_block(const Acc* x, const Acc* weights, int64_t k, int64_t begin, Reduction reduction, Acc* total) {
  const std::vector<int32_t>& order = summation_order(reduction, k);
  const bool apart = reduction == Reduction::signs_apart;
  Acc sum[kColumns] = {}, negative[kColumns] = {};
  const int64_t end = std::min(begin + kOrderBlock, k);
  if (begin == 0) std::swap_ranges(sum, sum + kColumns, total);
  for (int64_t step = begin; step < end; ++step) {
    const int64_t i = order[static_cast<size_t>(step)];
    for (int64_t n = 0; n < kColumns; ++n) {
      const Acc product = x[i] * weights[i * kColumns + n];
      sum[n] += apart ? std::max(product, Acc(0)) : product;
      negative[n] += apart ? std::min(product, Acc(0)) : Acc(0);
    }
  }
  for (int64_t n = 0; n < kColumns; ++n) total[n] += sum[n] + negative[n];
}

template <class Acc>
void product(const ConstTensorView& x, const Weight& w, const ConstTensorView& bias, const TensorView& out,
             Reduction reduction) {
  const int64_t rows = x.dim[0], k = w.cols();
  std::vector<Acc> inputs(static_cast<size_t>(rows * k));
  for (int64_t t = 0; t < rows; ++t) load_row(row_of(x, t), x.dtype, k, inputs.data() + t * k);
  const std::vector<Acc> start = bias ? widened<Acc>(bias) : std::vector<Acc>(static_cast<size_t>(w.rows()), Acc(0));
  parallel_for((w.rows() + kColumns - 1) / kColumns, 2 * rows * k * kColumns, [&](int64_t tile) {
    const int64_t first = tile * kColumns, columns = std::min(kColumns, w.rows() - first);
    std::vector<Acc> row(static_cast<size_t>(k)), weights(static_cast<size_t>(k * kColumns), Acc(0));
    for (int64_t n = 0; n < columns; ++n) {
      widen_weight(w, first + n, 0, k, row.data());
      for (int64_t i = 0; i < k; ++i) weights[static_cast<size_t>(i * kColumns + n)] = row[static_cast<size_t>(i)];
    }
    for (int64_t t = 0; t < rows; ++t) {
      Acc total[kColumns] = {};
      std::copy_n(start.data() + first, columns, total);
      for (int64_t begin = 0; begin < k; begin += kOrderBlock) {
        add_block(inputs.data() + t * k, weights.data(), k, begin, reduction, total);
      }
      char* to = static_cast<char*>(row_of(out, t)) + first * out.stride[1] * static_cast<int64_t>(size_of(out.dtype));
      store_row(total, columns, out.dtype, to);
    }
  });
}

}  // namespace

void matmul_in_order(const ConstTensorView& x, const Weight& w, const ConstTensorView& bias, const TensorView& out,
                     Reduction reduction) {
  with_accumulator(out.dtype, [&](auto acc) { product<decltype(acc)>(x, w, bias, out, reduction); });
}

}  // namespace glmv
