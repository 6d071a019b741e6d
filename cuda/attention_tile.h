// Device parts of the attention kernels: a warp with one or two blocks of 16 rows takes keys and values from shared
// memory.
//
// A row is one (query, query head of a kv group), see cuda/plan/attention.h. Lane l holds, of rows l / 4 and l / 4 + 8
// of a block, columns 2 (l % 4), + 1 of every 8: the layout of mma.sync m16n8k16 (simt/lane_tables.h). Scores leave the
// first product in the layout in which the second one takes its left operand, so probabilities never leave their lane.
//
// Rounding::once takes one pass over the keys: the running maximum and sum of the online softmax (Milakov and
// Gimelshein, arXiv 1805.02867; FlashAttention, 2205.14135), with exponents in base 2 and the scale folded in.
// Probabilities are rounded to bf16 as operands of the product only, before they are divided by their sum, which is of
// unrounded ones. Rounding::hf rounds probabilities after the division, so the sum must be known first: two passes, the
// first of which reads only keys. Scores are rounded, scaled and rounded again in both, in one order, and so come out
// equal.
#pragma once

#include <cuda_bf16.h>
#include <type_traits>

#include "cuda/attention.h"
#include "simt/ptx.h"

namespace glmv::GLMV_BACKEND::attention_tile {

constexpr unsigned kAllLanes = 0xffffffffu;
using cuda_plan::kWarpRows;
using cuda_plan::kWarps;
using cuda_plan::row_elements;
constexpr int kWarpKeys = 16;  // that a warp fetches at a time
constexpr int kThreads = 32 * kWarps;
constexpr float kLog2e = 1.44269504088896340736f;

/// What a walk over the keys does.
enum class Pass : uint8_t {
  online,  ///< everything at once; probabilities are rescaled as the maximum rises
  stats,   ///< first of two: maximum and sum of each row
  weigh,   ///< second of two: rounded probabilities times values
};

// ---- Rows

/// What a block works on: one tile of a sequence. first_row counts from the sequence's first query.
struct Work {
  int sequence, query_0, queries, keys, first_row, rows;
};

__device__ inline Work work_of(const AttentionParams& p, int tile) {
  Work w;
  w.sequence = p.tiling.sequence_of(tile, p.cu_seqlens, p.sequences);
  w.query_0 = p.cu_seqlens[w.sequence];
  w.queries = p.cu_seqlens[w.sequence + 1] - w.query_0;
  w.keys = p.lengths[w.sequence];
  w.first_row = (tile - p.tiling.first(w.query_0, w.sequence)) * p.tiling.rows;
  const int left = w.queries * p.tiling.pitch - w.first_row;
  w.rows = left < p.tiling.rows ? left : p.tiling.rows;  // none: a tile that this sequence does not need
  return w;
}

/// Keys that a query of the sequence sees.
__device__ inline int visible_keys(const AttentionParams& p, const Work& w, int query) {
  return p.causal ? max(w.keys - w.queries + query + 1, 0) : w.keys;
}

/// Keys that some row of the tile sees.
__device__ inline int keys_of_tile(const AttentionParams& p, const Work& w) {
  return visible_keys(p, w, (w.first_row + w.rows - 1) / p.tiling.pitch);
}

/// Where a row of the tile lies.
struct RowPlace {
  int query, member;  ///< of the sequence, of the kv group
  bool real;          ///< else nobody's row: it sees nothing and is not stored

  __device__ RowPlace(const AttentionParams& p, const Work& w, int row)
      : query((w.first_row + row) / p.tiling.pitch),
        member((w.first_row + row) % p.tiling.pitch),
        real(query < w.queries && member < p.group) {}
};

__device__ inline uint32_t* out_row(const AttentionParams& p, const Work& w, int kv_head, const RowPlace& at) {
  return p.out + int64_t(w.query_0 + at.query) * p.out_token + (int64_t(kv_head) * p.group + at.member) * p.out_head;
}

// ---- To shared memory

/// Keys that a row sees: kept in the padding behind its query, because registers are short and few tiles need it.
template <int D, class Element>
__device__ auto& visible_of(Element* queries, int row) {
  using Int = std::conditional_t<std::is_const_v<Element>, const int, int>;
  return *reinterpret_cast<Int*>(queries + row * row_elements(D) + D);
}

/// All queries of a tile, a row by each warp in turn; rows that are not real become zero. A barrier must follow.
template <int D>
__device__ void load_queries(bf16* to, const AttentionParams& p, const Work& w, int kv_head, int rows, int warp,
                             int lane) {
  for (int row = warp; row < rows; row += kWarps) {
    const RowPlace at(p, w, row);
    const uint32_t* from =
        p.q + int64_t(w.query_0 + at.query) * p.q_token + (int64_t(kv_head) * p.group + at.member) * p.q_head;
    auto* pairs = reinterpret_cast<uint32_t*>(to + row * row_elements(D));
    for (int i = lane; i < D / 2; i += 32) pairs[i] = at.real ? from[i] : 0;
    if (lane == 0) visible_of<D>(to, row) = at.real ? visible_keys(p, w, at.query) : 0;
  }
}

/// First chunk (of 8 elements) of key s of the sequence in k_pages and v_pages; -1 for keys from `end` on.
__device__ inline int key_place(const AttentionParams& p, const Work& w, int kv_head, int s, int end) {
  if (s >= end) return -1;
  const int page = p.page_table[w.sequence * p.table_row + s / p.page_size * p.table_column];
  return page * p.page_stride + s % p.page_size * p.key_stride + kv_head * p.kv_head_stride;
}

/// Starts the copies of 16 rows by a warp. Lanes i and i + 16 name the place of row i; rows without one become zero:
/// probabilities of unseen keys are zero, and zero times what happens to lie there could be NaN.
template <int D>
__device__ void fetch_rows(bf16* to, const bf16* pages, int place, int lane) {
  constexpr int kChunks = D / 8;
#pragma unroll 2  // addresses of more copies at once would cost registers
  for (int i = 0; i < kWarpKeys * kChunks / 32; ++i) {
    const int row = (32 * i + lane) / kChunks, chunk = (32 * i + lane) % kChunks;
    const int at = __shfl_sync(kAllLanes, place, row);
    ptx::cp_async_16_zfill(to + row * row_elements(D) + 8 * chunk, pages + int64_t{8} * (at < 0 ? 0 : at + chunk),
                           at < 0 ? 0 : 16);
  }
}

// ---- A warp's state

/// Of a block of 16 rows; [2]: rows l / 4 and l / 4 + 8.
template <int D>
struct RowBlock {
  float out[D / 8][4] = {};
  float maximum[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0, 0};      ///< of this lane's columns until sum_lanes
  float inverse[2] = {1, 1};  ///< of the whole sum: what Pass::weigh multiplies with
};

template <int D, int Blocks>
struct WarpRows {
  RowBlock<D> block[Blocks];
  const bf16* q;  ///< the first row, in shared memory
  int clear;      ///< keys that all real rows see

  __device__ WarpRows(const AttentionParams& p, const Work& w, int first_row, const bf16* queries)
      : q(queries + first_row * row_elements(D)) {
    const RowPlace first(p, w, first_row);
    clear = first.real ? visible_keys(p, w, first.query) : 0;  // later queries see more
  }
};

__device__ inline float max_of_row(float x) {
  x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, 1));
  return fmaxf(x, __shfl_xor_sync(kAllLanes, x, 2));
}
__device__ inline float sum_of_row(float x) {
  x += __shfl_xor_sync(kAllLanes, x, 1);
  return x + __shfl_xor_sync(kAllLanes, x, 2);
}

__device__ inline float inverse_of(float sum) { return sum > 0 ? 1 / sum : 0; }  // a row that sees nothing yields 0

/// After a walk: every lane has the sums of its rows.
template <int D, int Blocks>
__device__ void sum_lanes(WarpRows<D, Blocks>& rows) {
  GPU_UNROLL
  for (int b = 0; b < Blocks; ++b) {
    GPU_UNROLL
    for (int i = 0; i < 2; ++i) {
      rows.block[b].sum[i] = sum_of_row(rows.block[b].sum[i]);
      rows.block[b].inverse[i] = inverse_of(rows.block[b].sum[i]);
    }
  }
}

// ---- Products

__device__ inline uint32_t pair_of(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t bits;
  memcpy(&bits, &pair, sizeof(bits));
  return bits;
}

/// Scores of a block of rows.
template <int Keys>
using Scores = float[Keys / 8][4];

/// scores = q kᵀ. One ldmatrix brings 16 rows times 16 columns, of keys as of queries; all blocks use the same keys.
template <int D, int Blocks, int Keys>
__device__ void multiply_keys(Scores<Keys> (&scores)[Blocks], const bf16* q, const bf16* k, int lane) {
  const bf16* query = q + lane % 16 * row_elements(D) + lane / 16 * 8;
  const bf16* key = k + (lane / 16 * 8 + lane % 8) * row_elements(D) + lane / 8 % 2 * 8;
  GPU_UNROLL
  for (int d = 0; d < D / 16; ++d) {
    uint32_t a[Blocks][4];
    GPU_UNROLL
    for (int b = 0; b < Blocks; ++b) ptx::ldmatrix_x4(a[b], query + b * kWarpRows * row_elements(D) + 16 * d);
    GPU_UNROLL
    for (int n = 0; n < Keys / 16; ++n) {
      uint32_t both[4];
      ptx::ldmatrix_x4(both, key + n * 16 * row_elements(D) + 16 * d);
      const uint32_t low[2] = {both[0], both[1]}, high[2] = {both[2], both[3]};
      GPU_UNROLL
      for (int b = 0; b < Blocks; ++b) {
        ptx::mma_m16n8k16_bf16(scores[b][2 * n], a[b], low, scores[b][2 * n]);
        ptx::mma_m16n8k16_bf16(scores[b][2 * n + 1], a[b], high, scores[b][2 * n + 1]);
      }
    }
  }
}

/// Probabilities of keys 16 n .. 16 n + 15 as the left operand of a product.
template <int Keys>
__device__ void operand_of(uint32_t (&a)[4], const Scores<Keys>& p, int n) {
  a[0] = pair_of(p[2 * n][0], p[2 * n][1]), a[1] = pair_of(p[2 * n][2], p[2 * n][3]);
  a[2] = pair_of(p[2 * n + 1][0], p[2 * n + 1][1]), a[3] = pair_of(p[2 * n + 1][2], p[2 * n + 1][3]);
}

/// out += p v
template <int D, int Blocks, int Keys>
__device__ void weigh_values(WarpRows<D, Blocks>& rows, const Scores<Keys> (&p)[Blocks], const bf16* v, int lane) {
  const bf16* value = v + (lane / 8 % 2 * 8 + lane % 8) * row_elements(D) + lane / 16 * 8;
  GPU_UNROLL
  for (int n = 0; n < Keys / 16; ++n) {
    uint32_t a[Blocks][4];
    GPU_UNROLL
    for (int b = 0; b < Blocks; ++b) operand_of<Keys>(a[b], p[b], n);
    GPU_UNROLL
    for (int d = 0; d < D / 16; ++d) {
      uint32_t both[4];
      ptx::ldmatrix_x4_trans(both, value + n * 16 * row_elements(D) + 16 * d);
      const uint32_t low[2] = {both[0], both[1]}, high[2] = {both[2], both[3]};
      GPU_UNROLL
      for (int b = 0; b < Blocks; ++b) {
        float(&out)[D / 8][4] = rows.block[b].out;
        ptx::mma_m16n8k16_bf16(out[2 * d], a[b], low, out[2 * d]);
        ptx::mma_m16n8k16_bf16(out[2 * d + 1], a[b], high, out[2 * d + 1]);
      }
    }
  }
}

// ---- Softmax

__device__ inline float rounded(float x) { return __bfloat162float(__float2bfloat16_rn(x)); }

/// A score as the exponent's unit has it: base 2 for one pass, base e where the steps in between are rounded.
template <Pass P>
__device__ float scaled(float score, float scale) {
  return P == Pass::online ? score * (scale * kLog2e) : rounded(rounded(score) * scale);
}

/// exp(x - maximum) of scaled scores. Rows without a visible key have no maximum.
template <Pass P>
__device__ float exponential(float x, float maximum) {
  const float difference = x - (maximum == -INFINITY ? 0.0f : maximum);
  return exp2f(P == Pass::online ? difference : difference * kLog2e);
}

template <Pass P, int Keys>
__device__ void scale_scores(Scores<Keys>& scores, float scale) {
  GPU_UNROLL
  for (int n = 0; n < Keys / 8; ++n) {
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) scores[n][i] = scaled<P>(scores[n][i], scale);
  }
}

/// Scores of keys that a row does not see become -inf. `q`: the first row of the block.
template <int D, int Keys>
__device__ void hide_scores(Scores<Keys>& scores, const bf16* q, int first_key, int lane) {
  GPU_UNROLL
  for (int row = 0; row < 2; ++row) {
    const int visible = visible_of<D>(q, lane / 4 + 8 * row);
    GPU_UNROLL
    for (int n = 0; n < Keys / 8; ++n) {
      GPU_UNROLL
      for (int i = 0; i < 2; ++i) {
        if (first_key + 8 * n + lane % 4 * 2 + i >= visible) scores[n][2 * row + i] = -INFINITY;
      }
    }
  }
}

/// The maxima rise to those of these scores. Returns what sums so far must be multiplied with.
template <Pass P, int D, int Keys>
__device__ void raise_maximum(float (&factor)[2], RowBlock<D>& rows, const Scores<Keys>& scores) {
  GPU_UNROLL
  for (int i = 0; i < 2; ++i) {
    float most = rows.maximum[i];
    GPU_UNROLL
    for (int n = 0; n < Keys / 8; ++n) most = fmaxf(most, fmaxf(scores[n][2 * i], scores[n][2 * i + 1]));
    most = max_of_row(most);
    factor[i] = exponential<P>(rows.maximum[i], most);
    rows.maximum[i] = most;
  }
}

/// Brings sums to new maxima. After a few tiles maxima seldom rise, and the vote is cheaper than the products.
template <Pass P, int D>
__device__ void rescale(RowBlock<D>& rows, const float (&factor)[2]) {
  if (!__any_sync(kAllLanes, factor[0] != 1 || factor[1] != 1)) return;
  GPU_UNROLL
  for (int i = 0; i < 2; ++i) {
    rows.sum[i] *= factor[i];
    if constexpr (P == Pass::online) {
      GPU_UNROLL
      for (int d = 0; d < D / 8; ++d) rows.out[d][2 * i] *= factor[i], rows.out[d][2 * i + 1] *= factor[i];
    }
  }
}

/// Scores become probabilities: divided by their sum where it is known, else summed.
template <Pass P, int D, int Keys>
__device__ void exponentiate(Scores<Keys>& scores, RowBlock<D>& rows) {
  GPU_UNROLL
  for (int n = 0; n < Keys / 8; ++n) {
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) {
      float& x = scores[n][i];
      x = exponential<P>(x, rows.maximum[i / 2]);
      if constexpr (P == Pass::weigh) {
        x *= rows.inverse[i / 2];
      } else {
        rows.sum[i / 2] += x;
      }
    }
  }
}

template <Pass P, int D, int Keys>
__device__ void soften(Scores<Keys>& scores, RowBlock<D>& rows) {
  if constexpr (P != Pass::weigh) {
    float factor[2];
    raise_maximum<P, D, Keys>(factor, rows, scores);
    rescale<P, D>(rows, factor);
  }
  exponentiate<P, D, Keys>(scores, rows);
}

/// Takes in Keys keys, the first of which is key first_key of the sequence.
template <Pass P, int Keys, int D, int Blocks>
__device__ void take_keys(WarpRows<D, Blocks>& rows, const bf16* k, const bf16* v, int first_key, float scale,
                          int lane) {
  Scores<Keys> scores[Blocks] = {};
  multiply_keys<D, Blocks, Keys>(scores, rows.q, k, lane);
  const bool hide = first_key + Keys > rows.clear;
  GPU_UNROLL
  for (int b = 0; b < Blocks; ++b) {
    scale_scores<P, Keys>(scores[b], scale);
    if (hide) hide_scores<D, Keys>(scores[b], rows.q + b * kWarpRows * row_elements(D), first_key, lane);
    soften<P, D, Keys>(scores[b], rows.block[b]);
  }
  if constexpr (P != Pass::stats) weigh_values<D, Blocks, Keys>(rows, scores, v, lane);
}

}  // namespace glmv::GLMV_BACKEND::attention_tile
