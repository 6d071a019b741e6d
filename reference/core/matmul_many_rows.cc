// Several rows of x against all rows of the weights. Lanes are rows of x: x, the small operand, is transposed once,
// into panels of as many columns as a register block has; the weights stay as they lie, and one element of them meets a
// whole panel row. What has to be widened first (FP8, or double sums) is, a strip of weight rows at a time.
#include <algorithm>

#include "reference/core/matmul_parts.h"
#include "reference/core/register_block.h"

namespace glmv::matmul_parts {
namespace {

constexpr int64_t kStrip = 24;     // weight rows at a time: whole register blocks, and 256 floats of each fit L1
constexpr int64_t kFewPanels = 2;  // that meet bf16 weights before widening them once is cheaper

/// x transposed: panel p is [K, width(p)], the columns of the last one filled up with zeros to whole vectors.
template <class Acc>
class Panels {
 public:
  static constexpr int64_t kWidth = kBlockCols<Acc>, kLanes = simd::Lanes<Acc>::count;

  explicit Panels(const ConstTensorView& x) : count_(ceil_div(x.dim[0], kWidth)), rows_(x.dim[0]), k_(x.dim[1]) {
    thread_local std::vector<Acc> memory;  // kept from call to call
    const auto size = static_cast<size_t>(padded() * k_);
    if (memory.size() < size) memory.resize(size);
    data_ = memory.data();
    const Rows<Acc> rows(x);
    parallel_for(count_, x.dim[1] * kWidth, [&](int64_t p) { fill(rows, p); });
  }

  int64_t count() const { return count_; }
  int64_t rows_of(int64_t p) const { return std::min(kWidth, rows_ - p * kWidth); }
  int64_t width(int64_t p) const { return ceil_div(rows_of(p), kLanes) * kLanes; }
  /// Columns of all panels.
  int64_t padded() const { return (count_ - 1) * kWidth + width(count_ - 1); }
  /// Row k of panel p.
  const Acc* at(int64_t p, int64_t k) const { return data_ + p * kWidth * k_ + k * width(p); }

 private:
  void fill(const Rows<Acc>& x, int64_t p) {
    Acc* to = data_ + p * kWidth * k_;
    const int64_t rows = rows_of(p), wide = width(p);
    transpose(x.data + p * kWidth * x.stride, x.stride, rows, k_, to, wide);
    for (int64_t k = 0; k < k_ && rows < wide; ++k) std::fill(to + k * wide + rows, to + (k + 1) * wide, Acc(0));
  }

  int64_t count_, rows_, k_;
  Acc* data_;
};

/// sums[j, t] = weight row first + j . x[t] for j < n, from weight rows that lie in memory as T.
template <class T, class Acc>
void multiply(const T* w, int64_t stride, int64_t n, const Panels<Acc>& x, int64_t begin, int64_t k, Acc* sums) {
  for (int64_t p = 0; p < x.count(); ++p) {
    block_product(w, stride, n, x.at(p, begin), x.width(p), x.width(p), k, sums + p * Panels<Acc>::kWidth, x.padded(),
                  begin == 0 ? Into::set : Into::add);
  }
}

/// Sums of a strip of weight rows, block of k by block of k.
template <class Acc>
void strip(const Panels<Acc>& x, const Weight& w, int64_t first, int64_t n, Acc* sums) {
  thread_local std::vector<Acc> wide(kStrip * kBlock);
  const int64_t stride = w.data.stride[0];
  for (int64_t begin = 0; begin == 0 || begin < w.cols(); begin += kBlock) {
    const int64_t k = std::min(kBlock, w.cols() - begin);
    if (in_place<Acc>(w)) {
      multiply(element_of<Acc>(w, first, begin), stride, n, x, begin, k, sums);
      continue;
    }
    if constexpr (std::is_same_v<Acc, float>) {
      if (in_place<bf16>(w) && x.count() <= kFewPanels) {
        multiply(element_of<bf16>(w, first, begin), stride, n, x, begin, k, sums);
        continue;
      }
    }
    for (int64_t j = 0; j < n; ++j) widen_weight(w, first + j, begin, k, wide.data() + j * kBlock);
    multiply(wide.data(), kBlock, n, x, begin, k, sums);
  }
}

/// Sums [n, padded] of a strip become columns [first, first + n) of out.
template <class Acc>
void finish_strip(const Panels<Acc>& x, const Acc* sums, int64_t first, int64_t n, const Acc* bias,
                  const TensorView& out) {
  constexpr int64_t kWidth = Panels<Acc>::kWidth;
  Acc totals[kWidth * kStrip];
  for (int64_t p = 0; p < x.count(); ++p) {
    transpose(sums + p * kWidth, x.padded(), n, x.width(p), totals, kStrip);
    for (int64_t t = 0; t < x.rows_of(p); ++t) {
      finish(totals + t * kStrip, n, bias == nullptr ? nullptr : bias + first, out.dtype,
             element(out, p * kWidth + t, first));
    }
  }
}

}  // namespace

template <class Acc>
void many_rows(const ConstTensorView& x, const Weight& w, const Acc* bias, const TensorView& out) {
  const Panels<Acc> panels(x);
  parallel_for(ceil_div(w.rows(), kStrip), 2 * x.dim[0] * x.dim[1] * kStrip, [&](int64_t i) {
    thread_local std::vector<Acc> sums;
    const auto size = static_cast<size_t>(kStrip * panels.padded());
    if (sums.size() < size) sums.resize(size);
    const int64_t first = i * kStrip, n = std::min(kStrip, w.rows() - first);
    strip(panels, w, first, n, sums.data());
    finish_strip(panels, sums.data(), first, n, bias, out);
  });
}
template void many_rows(const ConstTensorView&, const Weight&, const float*, const TensorView&);
template void many_rows(const ConstTensorView&, const Weight&, const double*, const TensorView&);

}  // namespace glmv::matmul_parts
