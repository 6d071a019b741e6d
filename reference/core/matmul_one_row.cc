// One row of x against all rows of the weights, which are read once, straight from the mapping. Lane j of a vector sums
// up weight row j, so pieces of the weights are transposed first: as 32-bit units, a float or a pair of bf16.
#include <algorithm>
#include <cmath>

#include "reference/core/matmul_parts.h"
#include "reference/core/register_block.h"

namespace glmv::matmul_parts {
namespace {

constexpr int64_t kLanes = 8, kVectors = 4;   // four chains of additions side by side: one would wait for itself
constexpr int64_t kTile = kVectors * kLanes;  // weight rows that the row of x meets together
constexpr int64_t kUnits = 128;               // 32-bit units per row and piece: 16 KiB of a tile

/// A tile of weights, transposed: unit u of all rows side by side.
using Columns = simd::i32x8[kUnits][kVectors];

/// units <= kUnits, a multiple of kLanes, of kTile rows. Eight rows at a time: they lie a multiple of 4 KiB apart as a
/// rule, that is, in the same set of L1, which has eight ways. The next piece is called for meanwhile.
template <class T>
void transpose_tile(const T* w, int64_t stride, int64_t units, Columns& to) {
  constexpr int64_t kPerUnit = 4 / static_cast<int64_t>(sizeof(T));
  for (int64_t v = 0; v < kVectors; ++v) {
    for (int64_t u = 0; u < units; u += kLanes) {
      simd::i32x8 square[kLanes];
      for (int64_t j = 0; j < kLanes; ++j) {
        const T* at = w + (v * kLanes + j) * stride + u * kPerUnit;
        square[j] = simd::load_as<simd::i32x8>(at);
        __builtin_prefetch(at + kUnits * kPerUnit, 0, 2);
      }
      simd::transpose(square);
      for (int64_t j = 0; j < kLanes; ++j) to[u + j][v] = square[j];
    }
  }
}

void multiply_add(const float* x, const simd::i32x8 (&column)[kVectors], simd::f32x8 (&sum)[kVectors], float /*of*/) {
  const simd::f32x8 factor = simd::splat(x[0]);
  for (int64_t v = 0; v < kVectors; ++v) sum[v] = simd::fma(factor, reinterpret_cast<simd::f32x8>(column[v]), sum[v]);
}
void multiply_add(const float* x, const simd::i32x8 (&column)[kVectors], simd::f32x8 (&sum)[kVectors], bf16 /*of*/) {
  const simd::f32x8 first = simd::splat(x[0]), second = simd::splat(x[1]);
  for (int64_t v = 0; v < kVectors; ++v) {
    sum[v] = simd::fma(first, simd::first_of_pairs(column[v]), sum[v]);
    sum[v] = simd::fma(second, simd::second_of_pairs(column[v]), sum[v]);
  }
}

/// sum[j] += weight row j . x over k elements.
template <class T>
void add_products(const float* x, const T* w, int64_t stride, int64_t k, simd::f32x8 (&sum)[kVectors]) {
  constexpr int64_t kPerUnit = 4 / static_cast<int64_t>(sizeof(T)), kSquare = kLanes * kPerUnit;
  Columns columns;
  int64_t i = 0;
  while (i + kSquare <= k) {
    const int64_t units = std::min(kUnits, (k - i) / kSquare * kLanes);
    transpose_tile(w + i, stride, units, columns);
    for (int64_t u = 0; u < units; ++u) multiply_add(x + i + u * kPerUnit, columns[u], sum, T());
    i += units * kPerUnit;
  }
  for (; i < k; ++i) {
    for (int64_t j = 0; j < kTile; ++j) {
      simd::f32x8& lanes = sum[j / kLanes];
      lanes[j % kLanes] = std::fma(x[i], static_cast<float>(w[j * stride + i]), lanes[j % kLanes]);
    }
  }
}

/// kTile rows of a plain bf16 or f32 weight against one row of x.
template <class T>
void stream_rows(const float* x, const T* w, int64_t stride, int64_t k, float* totals) {
  for (int64_t begin = 0; begin < k; begin += kBlock) {
    simd::f32x8 sum[kVectors] = {};
    add_products(x + begin, w + begin, stride, std::min(kBlock, k - begin), sum);
    for (int64_t v = 0; v < kVectors; ++v) {
      float* to = totals + v * kLanes;
      simd::store(to, begin == 0 ? sum[v] : simd::load(to) + sum[v]);
    }
  }
}

/// Weight rows [first, first + n), n <= kTile, of any format: widened, transposed to [k, kTile] and multiplied.
template <class Acc>
void widened_rows(const Acc* x, const Weight& w, int64_t first, int64_t n, Acc* totals) {
  thread_local std::vector<Acc> rows(kTile * kBlock), columns(kTile * kBlock);
  for (int64_t begin = 0; begin == 0 || begin < w.cols(); begin += kBlock) {
    const int64_t k = std::min(kBlock, w.cols() - begin);
    for (int64_t j = 0; j < n; ++j) widen_weight(w, first + j, begin, k, rows.data() + j * kBlock);
    // Columns behind the last one hold what was there before; nobody reads their sums.
    transpose(rows.data(), kBlock, kTile, k, columns.data(), kTile);
    block_product(x + begin, w.cols(), 1, columns.data(), kTile, kTile, k, totals, kTile,
                  begin == 0 ? Into::set : Into::add);
  }
}

/// totals has room for kTile.
template <class Acc>
void tile_of_rows(const Acc* x, const Weight& w, int64_t first, int64_t n, Acc* totals) {
  if constexpr (std::is_same_v<Acc, float>) {
    const int64_t stride = w.data.stride[0];
    if (n == kTile && in_place<bf16>(w)) return stream_rows(x, element_of<bf16>(w, first, 0), stride, w.cols(), totals);
    if (n == kTile && in_place<float>(w))
      return stream_rows(x, element_of<float>(w, first, 0), stride, w.cols(), totals);
  }
  widened_rows(x, w, first, n, totals);
}

}  // namespace

template <class Acc>
void one_row(const ConstTensorView& x, const Weight& w, const Acc* bias, const TensorView& out) {
  const Rows<Acc> row(x);
  constexpr int64_t kShare = 2 * kTile;  // weight rows per piece of work
  parallel_for(ceil_div(w.rows(), kShare), 2 * kShare * x.dim[1], [&](int64_t part) {
    const int64_t end = std::min(w.rows(), (part + 1) * kShare);
    for (int64_t first = part * kShare; first < end; first += kTile) {
      const int64_t n = std::min(kTile, end - first);
      Acc totals[kTile] = {};
      tile_of_rows(row.data, w, first, n, totals);
      finish(totals, n, bias == nullptr ? nullptr : bias + first, out.dtype, element(out, 0, first));
    }
  });
}
template void one_row(const ConstTensorView&, const Weight&, const float*, const TensorView&);
template void one_row(const ConstTensorView&, const Weight&, const double*, const TensorView&);

}  // namespace glmv::matmul_parts
