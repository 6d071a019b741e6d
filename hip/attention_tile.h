// Device parts of the attention kernels: a wave with one or two blocks of 16 rows takes groups of 16 keys and values.
//
// A row is one (query, query head of a kv group), see hip/plan/attention.h. Both products are turned round, so that
// rows are the columns of MFMA 16x16x16: scores^T = k q^T and out^T = v^T p^T. A lane then has one row, number
// lane % 16 of a block, and of every group the scores of keys 4 (lane / 16) to + 3, which is also what the second
// product wants of its right operand: probabilities never leave their lane, and a row's maximum and sum are one number
// per lane.
//
// The left operand of the second product is four keys' values of one dimension. Which dimension is which row of the
// instruction is free to choose: row i of instruction e is dimension i D/16 + e. So a lane needs D/16 neighbours of
// four keys, and ends with D/16 neighbours of four stretches of its row: nothing is ever transposed.
//
// Rounding::once takes one pass over the keys: the running maximum and sum of the online softmax (Milakov and
// Gimelshein, arXiv 1805.02867; FlashAttention, 2205.14135), with exponents in base 2 and the scale folded in.
// Probabilities are rounded to bf16 as operands of the product only, before they are divided by their sum, which is of
// unrounded ones. Rounding::hf rounds probabilities after the division, so the sum must be known first: two passes, the
// first of which reads only keys. Scores are rounded, scaled and rounded again in both, in one order, and so come out
// equal.
#pragma once

#include "gpu/vectors.h"
#include "hip/attention.h"
#include "hip/mfma.h"

namespace glmv::GLMV_BACKEND::attention_tile {

using hip_plan::kGroupKeys;
using hip_plan::kWaveRows;
using hip_plan::kWaves;
constexpr int kThreads = kWave * kWaves;
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

__device__ inline bf16* out_row(const AttentionParams& p, const Work& w, int kv_head, const RowPlace& at) {
  return p.out + int64_t(w.query_0 + at.query) * p.out_token + (int64_t(kv_head) * p.group + at.member) * p.out_head;
}

/// First chunk (of 8 elements) of key s of the sequence in k_pages and v_pages; -1 for keys from `end` on.
__device__ inline int key_place(const AttentionParams& p, const Work& w, int kv_head, int s, int end) {
  if (s >= end) return -1;
  const int page = p.page_table[w.sequence * p.table_row + s / p.page_size * p.table_column];
  return page * p.page_stride + s % p.page_size * p.key_stride + kv_head * p.kv_head_stride;
}

// ---- Operands in registers

__device__ inline int lane() { return static_cast<int>(threadIdx.x) % kWave; }

/// What lane l holds of row l % 16 of 16 queries or keys: chunk l / 16 of every four.
template <int D>
struct RowOperand {
  static constexpr int kChunk = D % 32 == 0 ? 8 : 4;  ///< elements
  static constexpr int kChunks = D / (4 * kChunk);
  uint32_t words[kChunks][kChunk / 2];

  /// `row`: of the lane; zeros if it is not there.
  __device__ __forceinline__ void load(const bf16* row, bool there) {
    GPU_UNROLL
    for (int c = 0; c < kChunks; ++c) load_words_if(there, row + kChunk * (4 * c + lane() / 16), words[c]);
  }
};

/// sum += k q^T
template <int D>
__device__ __forceinline__ void multiply(float (&sum)[4], const RowOperand<D>& k, const RowOperand<D>& q) {
  GPU_UNROLL
  for (int c = 0; c < RowOperand<D>::kChunks; ++c) {
    if constexpr (RowOperand<D>::kChunk == 8) {
      mfma_chunks(sum, k.words[c], q.words[c]);
    } else {
      uint16_t a[4], b[4];
      step_of(k.words[c][0], k.words[c][1], a);
      step_of(q.words[c][0], q.words[c][1], b);
      mfma_step(sum, a, b);
    }
  }
}

/// What lane l holds of 16 values: stretch l % 16, D/16 neighbours long, of keys 4 (l / 16) to + 3.
template <int D>
struct ValueOperand {
  static constexpr int kStretch = D / 16, kWords = (kStretch + 1) / 2;
  uint32_t of_key[4][kWords];

  /// `row`: of key 4 (l / 16) + j; zeros if it is not there: probabilities of unseen keys are zero, and zero times what
  /// happens to lie there could be NaN.
  __device__ __forceinline__ void load(int j, const bf16* row, bool there) {
    const bf16* from = row + kStretch * (lane() % 16);
    if constexpr (kStretch == 1) {
      of_key[j][0] = there ? from->bits : 0;
    } else if constexpr (kStretch == 6) {  // 12 bytes, of which only words are aligned
      GPU_UNROLL
      for (int i = 0; i < kWords; ++i) {
        uint32_t word[1];
        load_words_if(there, from + 2 * i, word);
        of_key[j][i] = word[0];
      }
    } else {
      load_words_if(there, from, of_key[j]);
    }
  }
  /// Of the four keys, dimension e of the stretch.
  __device__ __forceinline__ void step(int e, uint16_t (&to)[4]) const {
    GPU_UNROLL
    for (int j = 0; j < 4; ++j) to[j] = static_cast<uint16_t>(of_key[j][e / 2] >> (16 * (e % 2)));
  }
};

// ---- A wave's state

/// Of a block of 16 rows, what lane l holds of row l % 16: dimensions (4 (l / 16) + r) D/16 + e in out[e][r].
template <int D>
struct RowBlock {
  RowOperand<D> q;
  int visible;  ///< keys that the row sees
  float out[D / 16][4] = {};
  float maximum = -INFINITY;
  float sum = 0;      ///< of this lane's keys until sum_lanes
  float inverse = 1;  ///< of the whole sum: what Pass::weigh multiplies with
};

template <int D, int Blocks>
struct WaveRows {
  RowBlock<D> block[Blocks];

  __device__ __forceinline__ WaveRows(const AttentionParams& p, const Work& w, int kv_head, int first_row) {
    GPU_UNROLL
    for (int b = 0; b < Blocks; ++b) {
      const RowPlace at(p, w, first_row + b * kWaveRows + lane() % 16);
      const bf16* row =
          p.q + int64_t(w.query_0 + at.query) * p.q_token + (int64_t(kv_head) * p.group + at.member) * p.q_head;
      block[b].q.load(row, at.real);
      block[b].visible = at.real ? visible_keys(p, w, at.query) : 0;
    }
  }
};

__device__ inline float max_of_row(float x) {
  x = fmaxf(x, __shfl_xor(x, 16));
  return fmaxf(x, __shfl_xor(x, 32));
}
__device__ inline float sum_of_row(float x) {
  x += __shfl_xor(x, 16);
  return x + __shfl_xor(x, 32);
}

__device__ inline float inverse_of(float sum) { return sum > 0 ? 1 / sum : 0; }  // a row that sees nothing yields 0

/// After a walk: every lane has the sum of its row.
template <int D, int Blocks>
__device__ void sum_lanes(WaveRows<D, Blocks>& rows) {
  GPU_UNROLL
  for (int b = 0; b < Blocks; ++b) {
    rows.block[b].sum = sum_of_row(rows.block[b].sum);
    rows.block[b].inverse = inverse_of(rows.block[b].sum);
  }
}

// ---- Softmax

__device__ inline float rounded(float x) { return static_cast<float>(bf16(x)); }

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

/// Scores become what exponents are taken of; -inf for keys that the row does not see.
template <Pass P>
__device__ __forceinline__ void scale_scores(float (&scores)[4], float scale, int first_key, int visible) {
  GPU_UNROLL
  for (int i = 0; i < 4; ++i) {
    scores[i] = first_key + 4 * (lane() / 16) + i < visible ? scaled<P>(scores[i], scale) : -INFINITY;
  }
}

/// The maximum rises to that of these scores, and the sums are brought to it. After a few groups maxima seldom rise,
/// and the vote is cheaper than the products.
template <Pass P, int D, int Groups>
__device__ __forceinline__ void raise_maximum(RowBlock<D>& rows, const float (&scores)[Groups][4]) {
  float most = rows.maximum;
  GPU_UNROLL
  for (int g = 0; g < Groups; ++g) {
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) most = fmaxf(most, scores[g][i]);
  }
  most = max_of_row(most);
  const float factor = exponential<P>(rows.maximum, most);
  rows.maximum = most;
  if (!__any(factor != 1)) return;
  rows.sum *= factor;
  if constexpr (P == Pass::online) {
    GPU_UNROLL
    for (int e = 0; e < D / 16; ++e) {
      GPU_UNROLL
      for (int r = 0; r < 4; ++r) rows.out[e][r] *= factor;
    }
  }
}

/// Scores become probabilities: divided by their sum where it is known, else summed.
template <Pass P, int D>
__device__ __forceinline__ void exponentiate(float (&scores)[4], RowBlock<D>& rows) {
  GPU_UNROLL
  for (float& x : scores) {
    x = exponential<P>(x, rows.maximum);
    if constexpr (P == Pass::weigh) {
      x *= rows.inverse;
    } else {
      rows.sum += x;
    }
  }
}

// ---- Products

/// out^T += v^T p^T
template <int D>
__device__ __forceinline__ void weigh_values(RowBlock<D>& rows, const ValueOperand<D>& v, const float (&p)[4]) {
  uint16_t probabilities[4];
  GPU_UNROLL
  for (int i = 0; i < 4; ++i) probabilities[i] = bf16(p[i]).bits;
  GPU_UNROLL
  for (int e = 0; e < D / 16; ++e) {
    uint16_t values[4];
    v.step(e, values);
    mfma_step(rows.out[e], values, probabilities);
  }
}

/// scores = k q^T of groups of 16 keys; `load_k(g, operand)` brings those of group g.
template <int D, int Blocks, int Groups, class LoadK>
__device__ __forceinline__ void multiply_groups(const WaveRows<D, Blocks>& rows, float (&scores)[Blocks][Groups][4],
                                                LoadK load_k) {
  GPU_UNROLL
  for (int g = 0; g < Groups; ++g) {
    RowOperand<D> k;
    load_k(g, k);
    GPU_UNROLL
    for (int b = 0; b < Blocks; ++b) {
      GPU_UNROLL
      for (float& x : scores[b][g]) x = 0;
      multiply(scores[b][g], k, rows.block[b].q);
    }
  }
}

/// Scores, of which the first are key first_key's of the sequence, become probabilities, and are taken into the rows'
/// maxima and sums.
template <Pass P, int D, int Blocks, int Groups>
__device__ __forceinline__ void take_scores(WaveRows<D, Blocks>& rows, float (&scores)[Blocks][Groups][4],
                                            int first_key, float scale) {
  GPU_UNROLL
  for (int b = 0; b < Blocks; ++b) {
    RowBlock<D>& block = rows.block[b];
    GPU_UNROLL
    for (int g = 0; g < Groups; ++g) scale_scores<P>(scores[b][g], scale, first_key + kGroupKeys * g, block.visible);
    if constexpr (P != Pass::weigh) raise_maximum<P>(block, scores[b]);
    GPU_UNROLL
    for (int g = 0; g < Groups; ++g) exponentiate<P>(scores[b][g], block);
  }
}

/// The rows' sums += probabilities times values; `load_v(g, operand)` brings those of group g.
template <int D, int Blocks, int Groups, class LoadV>
__device__ __forceinline__ void weigh_groups(WaveRows<D, Blocks>& rows, const float (&probabilities)[Blocks][Groups][4],
                                             LoadV load_v) {
  GPU_UNROLL
  for (int g = 0; g < Groups; ++g) {
    ValueOperand<D> v;
    load_v(g, v);
    GPU_UNROLL
    for (int b = 0; b < Blocks; ++b) weigh_values(rows.block[b], v, probabilities[b][g]);
  }
}

/// All three, one after another.
template <Pass P, int Groups, int D, int Blocks, class LoadK, class LoadV>
__device__ __forceinline__ void take_keys(WaveRows<D, Blocks>& rows, LoadK load_k, LoadV load_v, int first_key,
                                          float scale) {
  float scores[Blocks][Groups][4];
  multiply_groups(rows, scores, load_k);
  take_scores<P>(rows, scores, first_key, scale);
  if constexpr (P != Pass::stats) weigh_groups(rows, scores, load_v);
}

}  // namespace glmv::GLMV_BACKEND::attention_tile
