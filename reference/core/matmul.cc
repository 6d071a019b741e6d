#include "reference/core/matmul.h"

#include <limits>
#include <vector>

#include "reference/core/matmul_parts.h"

namespace glmv {
namespace {

void check_shapes(const ConstTensorView& x, const Weight& w, const ConstTensorView& bias, const TensorView& out) {
  GLMV_CHECK(x.space == Space::host && w.data.space == Space::host && out.space == Space::host, "host memory wanted");
  GLMV_CHECK(x.rank == 2 && w.data.rank == 2 && out.rank == 2, "x ", x, " w ", w, " out ", out);
  GLMV_CHECK(x.dim[1] == w.cols() && out.dim[1] == w.rows() && out.dim[0] == x.dim[0], "x ", x, " w ", w, " out ", out);
  GLMV_CHECK(last_axis_adjacent(x) && last_axis_adjacent(w.data) && last_axis_adjacent(out), "strided last axis");
  GLMV_CHECK(!bias || (bias.rank == 1 && bias.dim[0] == w.rows()), "bias ", bias, " w ", w);
  GLMV_CHECK(w.format != Format::fp8_per_row || (w.scale && w.scale.dim[0] == w.rows()), "scale ", w.scale, " w ", w);
}

template <class Acc>
void product(const ConstTensorView& x, const Weight& w, const ConstTensorView& bias, const TensorView& out) {
  std::vector<Acc> wide_bias;
  if (bias) wide_bias = widened<Acc>(bias);
  const Acc* b = bias ? wide_bias.data() : nullptr;
#ifdef GLMV_HAS_BLAS
  if constexpr (std::is_same_v<Acc, float>) {
    if (x.dim[0] >= blas_rows()) return matmul_parts::blas(x, w, b, out);
  }
#endif
  if (x.dim[0] == 1) return matmul_parts::one_row(x, w, b, out);
  matmul_parts::many_rows(x, w, b, out);
}

}  // namespace

void matmul(const ConstTensorView& x, const Weight& w, const ConstTensorView& bias, const TensorView& out,
            Reduction reduction) {
  check_shapes(x, w, bias, out);
  if (out.size() == 0) return;
  if (reduction == Reduction::eigen) return matmul_eigen(x, w, bias, out);
  if (reduction != Reduction::blocked) return matmul_in_order(x, w, bias, out, reduction);
  with_accumulator(out.dtype, [&](auto acc) { product<decltype(acc)>(x, w, bias, out); });
}

int64_t blas_rows() {
#ifdef GLMV_HAS_BLAS
  return 64;
#else
  return std::numeric_limits<int64_t>::max();
#endif
}

template <class Acc>
void widen_weight(const Weight& w, int64_t row, int64_t begin, int64_t n, Acc* to) {
  const auto* from =
      static_cast<const char*>(row_of(w.data, row)) + begin * static_cast<int64_t>(size_of(w.data.dtype));
  load_row(from, w.data.dtype, n, to);
  if (w.format == Format::fp8_per_row) {
    Acc scale;
    load_row(row_of(w.scale, row), w.scale.dtype, 1, &scale);
    for (int64_t i = 0; i < n; ++i) to[i] *= scale;
  }
}
template void widen_weight(const Weight&, int64_t, int64_t, int64_t, float*);
template void widen_weight(const Weight&, int64_t, int64_t, int64_t, double*);

}  // namespace glmv
