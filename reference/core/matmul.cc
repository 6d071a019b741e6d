#include "reference/core/matmul.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "reference/core/parallel.h"
#include "reference/core/register_block.h"
#include "reference/core/rows.h"

#ifdef GLMV_HAS_BLAS
extern "C" void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float* a,
                            int lda, const float* b, int ldb, float beta, float* c, int ldc);
extern "C" void openblas_set_num_threads(int threads);
#endif

namespace glmv {
namespace {

constexpr int64_t kBlock = 256;           // k's per block: a tile of weights in float is half of a 32 KiB L1
constexpr int64_t kStride = kBlock + 16;  // from row to row: a power of two would put all rows into the same cache sets
constexpr int64_t kTile = 16;             // weight rows that one row of x meets together
constexpr int64_t kWideTile = kBlockCols<float>;            // and that many rows meet: whole register blocks of columns
constexpr int64_t kStripTiles = kWideTile > kTile ? 2 : 3;  // wide tiles one thread widens and takes at a time
constexpr int64_t kStripCols = kStripTiles * kWideTile;
constexpr int64_t kPanelRows = 48;  // rows of x that stay in L2 while all tiles of a strip pass by

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// True if a weight's rows can be read where they lie.
template <class Acc>
bool in_place(const Weight& w) {
  return w.format == Format::plain && w.data.dtype == DTypeOf<Acc>::value;
}

template <class Acc>
const Acc* element_of(const Weight& w, int64_t row, int64_t col) {
  return static_cast<const Acc*>(row_of(w.data, row)) + col;
}

/// x as rows of the accumulator's type: in place if it is of that type, else a widened copy.
template <class Acc>
struct Rows {
  explicit Rows(const ConstTensorView& x) : count(x.dim[0]) {
    if (x.dtype == DTypeOf<Acc>::value) {
      data = static_cast<const Acc*>(x.data);
      stride = x.stride[0];
      return;
    }
    thread_local std::vector<Acc> wide;  // kept from call to call: fresh memory would be zeroed and paged in each time
    const auto size = static_cast<size_t>(count * x.dim[1]);
    if (wide.size() < size) wide.resize(size);
    Acc* to = wide.data();
    parallel_for(count, x.dim[1], [&](int64_t t) { load_row(row_of(x, t), x.dtype, x.dim[1], to + t * x.dim[1]); });
    data = to;
    stride = x.dim[1];
  }

  const Acc* data;
  int64_t stride, count;
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

/// Columns [first, first + cols) of every row of out from their totals; nothing is left to do for totals that were
/// summed up in out itself and have no bias.
template <class Acc>
void finish_rows(Acc* totals, int64_t ld, int64_t first, int64_t cols, const Acc* bias, const TensorView& out) {
  if (totals == element(out, 0, first) && bias == nullptr) return;
  for (int64_t t = 0; t < out.dim[0]; ++t) {
    finish(totals + t * ld, cols, bias == nullptr ? nullptr : bias + first, out.dtype, element(out, t, first));
  }
}

/// Weight rows [first, first + cols), cols <= tile, of one block of k: widened and transposed to [k, tile].
/// Columns behind the last one hold what was there before; nobody reads their sums.
template <class Acc>
void widen_tile(const Weight& w, int64_t first, int64_t cols, int64_t begin, int64_t k, int64_t tile, Acc* to) {
  if (in_place<Acc>(w)) return transpose(element_of<Acc>(w, first, begin), w.data.stride[0], cols, k, to, tile);
  thread_local std::vector<Acc> rows(kWideTile * kStride);
  for (int64_t j = 0; j < cols; ++j) widen_weight(w, first + j, begin, k, rows.data() + j * kStride);
  transpose(rows.data(), kStride, tile, k, to, tile);
}

/// sums[t, j] = x[t] . weight row first + j for j < cols; sums has room for whole tiles of columns.
template <class Acc>
void strip(const Rows<Acc>& x, const Weight& w, int64_t first, int64_t cols, Acc* sums, int64_t ld_sums) {
  thread_local std::vector<Acc> weights(kStripCols * kBlock);
  for (int64_t begin = 0; begin == 0 || begin < w.cols(); begin += kBlock) {
    const int64_t k = std::min(kBlock, w.cols() - begin);
    for (int64_t col = 0; col < cols; col += kWideTile) {
      widen_tile(w, first + col, std::min(kWideTile, cols - col), begin, k, kWideTile, weights.data() + col * kBlock);
    }
    for (int64_t t = 0; t < x.count; t += kPanelRows) {
      for (int64_t col = 0; col < cols; col += kWideTile) {
        block_product(x.data + t * x.stride + begin, x.stride, std::min(kPanelRows, x.count - t),
                      weights.data() + col * kBlock, kWideTile, kWideTile, k, sums + t * ld_sums + col, ld_sums,
                      begin == 0 ? Into::set : Into::add);
      }
    }
  }
}

/// Weight rows [first, first + cols) against every row of x, rounded to out: by way of a buffer, unless out is of the
/// accumulator's type and has room for whole tiles.
template <class Acc>
void strip_to(const Rows<Acc>& x, const Weight& w, const Acc* bias, int64_t first, int64_t cols,
              const TensorView& out) {
  thread_local std::vector<Acc> buffer;
  const bool direct = cols % kWideTile == 0 && size_of(out.dtype) == sizeof(Acc);
  const int64_t ld = direct ? out.stride[0] : kStripCols;
  const auto size = static_cast<size_t>(x.count * kStripCols);
  if (!direct && buffer.size() < size) buffer.resize(size);
  Acc* sums = direct ? static_cast<Acc*>(element(out, 0, first)) : buffer.data();
  strip(x, w, first, cols, sums, ld);
  finish_rows(sums, ld, first, cols, bias, out);
}

template <class Acc>
void many_rows(const ConstTensorView& x, const Weight& w, const Acc* bias, const TensorView& out) {
  const Rows<Acc> rows(x);
  parallel_for(ceil_div(w.rows(), kStripCols), 2 * x.dim[0] * x.dim[1] * kStripCols, [&](int64_t i) {
    const int64_t first = i * kStripCols;
    strip_to(rows, w, bias, first, std::min(kStripCols, w.rows() - first), out);
  });
}

simd::f32x8 load_weights(const float* p) { return simd::load(p); }
simd::f32x8 load_weights(const bf16* p) { return simd::widen(p); }

/// kTile rows of a plain bf16 or f32 weight against one row of x, straight from the mapping: lane j sums up row j.
template <class T>
void stream_rows(const float* x, const T* w, int64_t stride, int64_t k, float* totals) {
  constexpr int64_t kLanes = 8, kVectors = kTile / kLanes;
  for (int64_t begin = 0; begin < k; begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, k);
    simd::f32x8 sum[kVectors] = {};
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      simd::f32x8 square[kVectors][kLanes];
      for (int64_t v = 0; v < kVectors; ++v) {
        for (int64_t j = 0; j < kLanes; ++j) square[v][j] = load_weights(w + (v * kLanes + j) * stride + i);
        simd::transpose(square[v]);
      }
      for (int64_t step = 0; step < kLanes; ++step) {
        const simd::f32x8 factor = simd::splat(x[i + step]);
        for (int64_t v = 0; v < kVectors; ++v) sum[v] = simd::fma(factor, square[v][step], sum[v]);
      }
    }
    for (; i < end; ++i) {
      for (int64_t j = 0; j < kTile; ++j) {
        simd::f32x8& lanes = sum[j / kLanes];
        lanes[j % kLanes] = std::fma(x[i], static_cast<float>(w[j * stride + i]), lanes[j % kLanes]);
      }
    }
    for (int64_t v = 0; v < kVectors; ++v) {
      float* to = totals + v * kLanes;
      simd::store(to, begin == 0 ? sum[v] : simd::load(to) + sum[v]);
    }
  }
}

/// Weight rows [first, first + n), n <= kTile, against one row of x; totals has room for kTile.
template <class Acc>
void tile_row(const Acc* x, const Weight& w, int64_t first, int64_t n, Acc* totals) {
  const int64_t k = w.cols();
  if constexpr (std::is_same_v<Acc, float>) {
    if (w.format == Format::plain && n == kTile) {
      const void* rows = row_of(w.data, first);
      const int64_t stride = w.data.stride[0];
      if (w.data.dtype == DType::bf16) return stream_rows(x, static_cast<const bf16*>(rows), stride, k, totals);
      if (w.data.dtype == DType::f32) return stream_rows(x, static_cast<const float*>(rows), stride, k, totals);
    }
  }
  thread_local std::vector<Acc> weights(kTile * kBlock);
  for (int64_t begin = 0; begin < k; begin += kBlock) {
    const int64_t count = std::min(kBlock, k - begin);
    widen_tile(w, first, n, begin, count, kTile, weights.data());
    block_product(x + begin, k, 1, weights.data(), kTile, kTile, count, totals, kTile,
                  begin == 0 ? Into::set : Into::add);
  }
}

template <class Acc>
void one_row(const ConstTensorView& x, const Weight& w, const Acc* bias, const TensorView& out) {
  const Rows<Acc> row(x);
  constexpr int64_t kStep = 4 * kTile;
  parallel_for(ceil_div(w.rows(), kStep), 2 * kStep * x.dim[1], [&](int64_t part) {
    const int64_t end = std::min(w.rows(), (part + 1) * kStep);
    for (int64_t first = part * kStep; first < end; first += kTile) {
      const int64_t n = std::min(kTile, end - first);
      Acc totals[kTile] = {};
      tile_row(row.data, w, first, n, totals);
      finish(totals, n, bias == nullptr ? nullptr : bias + first, out.dtype, element(out, 0, first));
    }
  });
}

#ifdef GLMV_HAS_BLAS
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
    finish_rows(sums, ldc, first, cols, bias, out);
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
    if (x.dim[0] >= blas_rows()) return blas(x, w, b, out);
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
