#include "reference/core/matmul.h"

#include <algorithm>
#include <vector>

#include "reference/core/parallel.h"
#include "reference/core/rows.h"

#ifdef GLMV_HAS_BLAS
extern "C" void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float* a,
                            int lda, const float* b, int ldb, float beta, float* c, int ldc);
extern "C" void openblas_set_num_threads(int threads);
#endif

namespace glmv {
namespace {

constexpr int64_t kBlock = 512;           // k's per block: 3 rows of x and 12 of w in float fill most of a 32 KiB L1
constexpr int64_t kStride = kBlock + 16;  // from row to row: a power of two would put all rows into the same cache sets
constexpr int64_t kBlockRows = 3;         // register block: 3 rows of x ...
constexpr int64_t kBlockCols = 4;         // ... by 4 rows of w: 12 accumulators, 4 operands, 16 registers
constexpr int64_t kTileCols = 12;         // weight rows that stay in L1
constexpr int64_t kStripCols = 48;        // weight rows one thread widens and takes at a time
constexpr int64_t kPanelRows = 48;        // rows of x that stay in L2 while all tiles of a strip pass by
constexpr int64_t kDotRows = 8;           // weight rows streamed together when x has one row

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

/// c[i][0..3] += a row i . b row j over k elements (a multiple of the lanes), three rows of a.
template <class Acc>
inline void block_3x4(const Acc* a, int64_t lda, const Acc* b, int64_t ldb, int64_t k, Acc* c, int64_t ldc) {
  constexpr int kLanes = simd::Lanes<Acc>::count;
  simd::Vec<Acc> acc[kBlockRows][kBlockCols] = {};
#pragma GCC unroll 2
  for (int64_t i = 0; i < k; i += kLanes) {
    simd::Vec<Acc> x0 = simd::load(a + i), x1 = simd::load(a + lda + i), x2 = simd::load(a + 2 * lda + i);
    simd::keep_in_register(x0), simd::keep_in_register(x1), simd::keep_in_register(x2);
#pragma GCC unroll 4
    for (int j = 0; j < kBlockCols; ++j) {
      simd::Vec<Acc> y = simd::load(b + j * ldb + i);
      simd::keep_in_register(y);
      acc[0][j] = simd::fma(x0, y, acc[0][j]);
      acc[1][j] = simd::fma(x1, y, acc[1][j]);
      acc[2][j] = simd::fma(x2, y, acc[2][j]);
    }
  }
  for (int r = 0; r < kBlockRows; ++r) simd::add_sums(acc[r], c + r * ldc);
}

/// The same for one row of a.
template <class Acc>
inline void block_1x4(const Acc* a, const Acc* b, int64_t ldb, int64_t k, Acc* c) {
  constexpr int kLanes = simd::Lanes<Acc>::count;
  simd::Vec<Acc> acc[kBlockCols] = {};
  for (int64_t i = 0; i < k; i += kLanes) {
    const simd::Vec<Acc> x = simd::load(a + i);
#pragma GCC unroll 4
    for (int j = 0; j < kBlockCols; ++j) acc[j] = simd::fma(x, simd::load(b + j * ldb + i), acc[j]);
  }
  simd::add_sums(acc, c);
}

/// x in the order in which the blocks read it: [k block][row][kBlock], tails filled up with zeros.
template <class Acc>
struct PackedRows {
  explicit PackedRows(const ConstTensorView& x) : rows(x.dim[0]), blocks(ceil_div(x.dim[1], kBlock)), data(buffer()) {
    const auto size = static_cast<size_t>(blocks * rows * kStride);
    if (data.size() < size) data.resize(size);
    parallel_for(ceil_div(rows, 64), 64 * x.dim[1], [&](int64_t part) {
      for (int64_t t = part * 64; t < std::min(rows, part * 64 + 64); ++t) pack_row(x, t);
    });
  }
  void pack_row(const ConstTensorView& x, int64_t t) {
    const int64_t k = x.dim[1];
    const auto* source = static_cast<const char*>(row_of(x, t));
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t begin = block * kBlock, n = std::min(kBlock, k - begin);
      Acc* to = data.data() + (block * rows + t) * kStride;
      load_row(source + begin * static_cast<int64_t>(size_of(x.dtype)), x.dtype, n, to);
      std::fill(to + n, to + round_up(n, simd::Lanes<Acc>::count), Acc(0));
    }
  }
  const Acc* block_row(int64_t block, int64_t t) const { return data.data() + (block * rows + t) * kStride; }

  /// Kept from call to call: fresh memory would be zeroed and paged in each time.
  static std::vector<Acc>& buffer() {
    thread_local std::vector<Acc> memory;
    return memory;
  }

  int64_t rows;
  int64_t blocks;
  std::vector<Acc>& data;
};

/// Rounds one row of totals to the output, bias added in the accumulator's type.
template <class Acc>
void finish(Acc* totals, int64_t n, const Acc* bias, DType t, void* to) {
  if (bias != nullptr) {
    for (int64_t j = 0; j < n; ++j) totals[j] += bias[j];
  }
  store_row(totals, n, t, to);
}

void* element(const TensorView& v, int64_t row, int64_t col) {
  return static_cast<char*>(row_of(v, row)) + col * static_cast<int64_t>(size_of(v.dtype));
}

/// Weight rows [first, first + cols) of one block of k, widened, tails filled up with zeros.
template <class Acc>
void widen_strip(const Weight& w, int64_t first, int64_t cols, int64_t begin, int64_t k, Acc* to) {
  const int64_t padded = round_up(k, simd::Lanes<Acc>::count);
  for (int64_t j = 0; j < cols; ++j, to += kStride) {
    widen_weight(w, first + j, begin, k, to);
    std::fill(to + k, to + padded, Acc(0));
  }
}

/// totals [rows, kStripCols] += rows [t, t + rows) of x . cols widened weight rows, over `k` elements of one block.
/// A tile of weights stays in L1 while the panel's rows pass by it.
template <class Acc>
void panel(const Acc* x, int64_t rows, const Acc* weights, int64_t cols, int64_t k, Acc* totals) {
  for (int64_t col = 0; col < cols; col += kTileCols) {
    // The last group of columns may hold stale rows; nobody reads their totals.
    const int64_t end = std::min(col + kTileCols, round_up(cols, kBlockCols));
    int64_t t = 0;
    for (; t + kBlockRows <= rows; t += kBlockRows) {
      for (int64_t j = col; j < end; j += kBlockCols) {
        block_3x4(x + t * kStride, kStride, weights + j * kStride, kStride, k, totals + t * kStripCols + j, kStripCols);
      }
    }
    for (; t < rows; ++t) {
      for (int64_t j = col; j < end; j += kBlockCols) {
        block_1x4(x + t * kStride, weights + j * kStride, kStride, k, totals + t * kStripCols + j);
      }
    }
  }
}

/// Weight rows [first, first + cols) against every row of x.
template <class Acc>
void strip(const PackedRows<Acc>& x, const Weight& w, const Acc* bias, int64_t first, int64_t cols,
           const TensorView& out) {
  thread_local std::vector<Acc> weights(kStripCols * kStride), totals;
  totals.assign(static_cast<size_t>(x.rows * kStripCols), Acc(0));
  for (int64_t block = 0; block < x.blocks; ++block) {
    const int64_t begin = block * kBlock, k = std::min(kBlock, w.cols() - begin);
    widen_strip(w, first, cols, begin, k, weights.data());
    for (int64_t t = 0; t < x.rows; t += kPanelRows) {
      panel(x.block_row(block, t), std::min(kPanelRows, x.rows - t), weights.data(), cols,
            round_up(k, simd::Lanes<Acc>::count), totals.data() + t * kStripCols);
    }
  }
  for (int64_t t = 0; t < x.rows; ++t) {
    finish(totals.data() + t * kStripCols, cols, bias == nullptr ? nullptr : bias + first, out.dtype,
           element(out, t, first));
  }
}

template <class Acc>
void many_rows(const ConstTensorView& x, const Weight& w, const Acc* bias, const TensorView& out) {
  const PackedRows<Acc> packed(x);
  parallel_for(ceil_div(w.rows(), kStripCols), 2 * x.dim[0] * x.dim[1] * kStripCols, [&](int64_t i) {
    const int64_t first = i * kStripCols;
    strip(packed, w, bias, first, std::min(kStripCols, w.rows() - first), out);
  });
}

/// Eight rows of a plain bf16 or f32 weight against one row of x, straight from the mapping.
template <class T>
void stream_rows(const float* x, const T* w, int64_t stride, int64_t k, float* totals) {
  for (int64_t begin = 0; begin < k; begin += kBlock) {
    const int64_t n = std::min(kBlock, k - begin), whole = n / 8 * 8;
    simd::f32x8 acc[2][4] = {};
    for (int64_t i = 0; i < whole; i += 8) {
      const simd::f32x8 v = simd::load(x + begin + i);
#pragma GCC unroll 8
      for (int j = 0; j < kDotRows; ++j) {
        const T* row = w + j * stride + begin + i;
        if constexpr (std::is_same_v<T, bf16>) {
          acc[j / 4][j % 4] = simd::fma(v, simd::widen(row), acc[j / 4][j % 4]);
        } else {
          acc[j / 4][j % 4] = simd::fma(v, simd::load(row), acc[j / 4][j % 4]);
        }
      }
    }
    for (int j = 0; whole < n && j < kDotRows; ++j) {  // the tail as one more vector filled up with zeros
      simd::f32x8 v{}, y{};
      for (int64_t i = whole; i < n; ++i) {
        v[i - whole] = x[begin + i];
        y[i - whole] = static_cast<float>(w[j * stride + begin + i]);
      }
      acc[j / 4][j % 4] = simd::fma(v, y, acc[j / 4][j % 4]);
    }
    simd::add_sums(acc[0], totals);
    simd::add_sums(acc[1], totals + 4);
  }
}

template <class Acc>
bool can_stream(const Weight& w) {
  return std::is_same_v<Acc, float> && w.format == Format::plain &&
         (w.data.dtype == DType::bf16 || w.data.dtype == DType::f32);
}

/// Weight rows [first, first + n), n <= kDotRows, against one row of x.
template <class Acc>
void dot_rows(const Acc* x, const Weight& w, int64_t first, int64_t n, Acc* totals) {
  const int64_t k = w.cols();
  if constexpr (std::is_same_v<Acc, float>) {
    if (can_stream<Acc>(w) && n == kDotRows) {
      if (w.data.dtype == DType::bf16) {
        return stream_rows(x, static_cast<const bf16*>(row_of(w.data, first)), w.data.stride[0], k, totals);
      }
      return stream_rows(x, static_cast<const float*>(row_of(w.data, first)), w.data.stride[0], k, totals);
    }
  }
  Acc row[kBlock];
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t begin = 0; begin < k; begin += kBlock) {
      const int64_t count = std::min(kBlock, k - begin);
      widen_weight(w, first + j, begin, count, row);
      totals[j] += dot(x + begin, row, count);
    }
  }
}

template <class Acc>
void one_row(const ConstTensorView& x, const Weight& w, const Acc* bias, const TensorView& out) {
  std::vector<Acc> row(static_cast<size_t>(x.dim[1]));
  load_row(row_of(x, 0), x.dtype, x.dim[1], row.data());
  constexpr int64_t kStep = 8 * kDotRows;
  parallel_for(ceil_div(w.rows(), kStep), 2 * kStep * x.dim[1], [&](int64_t part) {
    const int64_t end = std::min(w.rows(), (part + 1) * kStep);
    for (int64_t first = part * kStep; first < end; first += kDotRows) {
      const int64_t n = std::min(kDotRows, end - first);
      Acc totals[kDotRows] = {};
      dot_rows(row.data(), w, first, n, totals);
      finish(totals, n, bias == nullptr ? nullptr : bias + first, out.dtype, element(out, 0, first));
    }
  });
}

#ifdef GLMV_HAS_BLAS
/// Columns are shared out among our threads, each with a single-threaded product: OpenBLAS's own threads would fight
/// with OpenMP's for the cores.
void blas(const ConstTensorView& x, const Weight& w, const float* bias, const TensorView& out) {
  static const bool single = (openblas_set_num_threads(1), true);
  (void)single;
  const int64_t rows = x.dim[0], k = x.dim[1];
  constexpr int64_t kCols = 192;  // weight rows a thread widens and multiplies at a time
  std::vector<float> a(static_cast<size_t>(rows * k));
  parallel_for(rows, k, [&](int64_t t) { load_row(row_of(x, t), x.dtype, k, a.data() + t * k); });
  parallel_for(ceil_div(w.rows(), kCols), 2 * rows * k * kCols, [&](int64_t part) {
    thread_local std::vector<float> b, c;
    const int64_t first = part * kCols, cols = std::min(kCols, w.rows() - first);
    b.resize(static_cast<size_t>(cols * k));
    c.resize(static_cast<size_t>(rows * cols));
    for (int64_t j = 0; j < cols; ++j) widen_weight(w, first + j, 0, k, b.data() + j * k);
    cblas_sgemm(101, 111, 112, static_cast<int>(rows), static_cast<int>(cols), static_cast<int>(k), 1.0f, a.data(),
                static_cast<int>(k), b.data(), static_cast<int>(k), 0.0f, c.data(), static_cast<int>(cols));
    for (int64_t t = 0; t < rows; ++t) {
      finish(c.data() + t * cols, cols, bias == nullptr ? nullptr : bias + first, out.dtype, element(out, t, first));
    }
  });
}
#endif

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
    if (x.dim[0] >= 64) return blas(x, w, b, out);
  }
#endif
  if (x.dim[0] == 1) return one_row(x, w, b, out);
  many_rows(x, w, b, out);
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

template <class Acc>
void dot_tile(const Acc* a, int64_t lda, int64_t rows, const Acc* b, int64_t ldb, int64_t cols, int64_t k, Acc* c,
              int64_t ldc) {
  const bool whole = k % simd::Lanes<Acc>::count == 0;
  const int64_t blocked_cols = whole ? cols / kBlockCols * kBlockCols : 0;
  int64_t i = 0;
  for (; i + kBlockRows <= rows; i += kBlockRows) {
    for (int64_t j = 0; j < blocked_cols; j += kBlockCols) {
      block_3x4(a + i * lda, lda, b + j * ldb, ldb, k, c + i * ldc + j, ldc);
    }
  }
  for (; i < rows; ++i) {
    for (int64_t j = 0; j < blocked_cols; j += kBlockCols) block_1x4(a + i * lda, b + j * ldb, ldb, k, c + i * ldc + j);
  }
  for (i = 0; i < rows; ++i) {
    for (int64_t j = blocked_cols; j < cols; ++j) c[i * ldc + j] += dot(a + i * lda, b + j * ldb, k);
  }
}
template void dot_tile(const float*, int64_t, int64_t, const float*, int64_t, int64_t, int64_t, float*, int64_t);
template void dot_tile(const double*, int64_t, int64_t, const double*, int64_t, int64_t, int64_t, double*, int64_t);

}  // namespace glmv
