// Products of many rows by OpenBLAS (GLMV_BLAS=ON), whose order of summation is its own.
#ifdef GLMV_HAS_BLAS
#include <algorithm>

#include "reference/core/matmul_parts.h"

extern "C" void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float* a,
                            int lda, const float* b, int ldb, float beta, float* c, int ldc);
extern "C" void openblas_set_num_threads(int threads);

namespace glmv::matmul_parts {
namespace {

/// Weight rows [first, first + cols) as floats: where they lie if they are floats, else widened into `wide`.
struct FloatRows {
  FloatRows(const Weight& w, int64_t first, int64_t cols, std::vector<float>& wide) {
    if (in_place<float>(w)) {
      data = element_of<float>(w, first, 0);
      stride = w.data.stride[0];
      return;
    }
    stride = w.cols();
    wide.resize(static_cast<size_t>(cols * stride));
    for (int64_t j = 0; j < cols; ++j) widen_weight(w, first + j, 0, stride, wide.data() + j * stride);
    data = wide.data();
  }

  const float* data;
  int64_t stride;
};

void sgemm(const Rows<float>& a, const FloatRows& b, int64_t cols, int64_t k, float* c, int64_t ldc) {
  const auto i = [](int64_t n) { return static_cast<int>(n); };
  constexpr int kRowMajor = 101, kAsIs = 111, kTransposed = 112;
  cblas_sgemm(kRowMajor, kAsIs, kTransposed, i(a.count), i(cols), i(k), 1.0f, a.data, i(a.stride), b.data, i(b.stride),
              0.0f, c, i(ldc));
}

/// Columns [first, first + cols) of every row of out from their totals; nothing is left to do for totals that were
/// summed up in out itself and have no bias.
void finish_columns(float* totals, int64_t ld, int64_t first, int64_t cols, const float* bias, const TensorView& out) {
  if (totals == element(out, 0, first) && bias == nullptr) return;
  for (int64_t t = 0; t < out.dim[0]; ++t) {
    finish(totals + t * ld, cols, bias == nullptr ? nullptr : bias + first, out.dtype, element(out, t, first));
  }
}

}  // namespace

/// Columns are shared out among our threads, each with a single-threaded product: OpenBLAS's own threads would fight
/// with OpenMP's for the cores.
void blas(const ConstTensorView& x, const Weight& w, const float* bias, const TensorView& out) {
  static const bool single = (openblas_set_num_threads(1), true);
  (void)single;
  constexpr int64_t kCols = 256;  // weight rows per product; a share per thread would tie bits to the thread count
  const int64_t rows = x.dim[0], k = x.dim[1];
  const bool direct = out.dtype == DType::f32;
  const Rows<float> a(x);
  parallel_for(ceil_div(w.rows(), kCols), 2 * rows * k * kCols, [&](int64_t part) {
    thread_local std::vector<float> wide, buffer;
    const int64_t first = part * kCols, cols = std::min(kCols, w.rows() - first);
    const int64_t ldc = direct ? out.stride[0] : cols;
    if (!direct) buffer.resize(static_cast<size_t>(rows * cols));
    float* sums = direct ? static_cast<float*>(element(out, 0, first)) : buffer.data();
    sgemm(a, FloatRows(w, first, cols, wide), cols, k, sums, ldc);
    finish_columns(sums, ldc, first, cols, bias, out);
  });
}
}  // namespace glmv::matmul_parts
#endif
