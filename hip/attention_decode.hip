// Decode attention: few queries per sequence, so the keys are split over blocks to fill the device. The query heads of
// a kv group are the rows of one block of 16 (12 for GLM-4.5V: the rest is empty and costs nothing that matters, the
// kernel waits for memory).
//
// A block is one (tile, kv head, split); each of its waves takes every fourth group of 16 keys, straight from the cache
// into the registers of the matrix instructions: no other wave has a use for them. The next group is on its way
// meanwhile. The waves merge in shared memory; a second kernel merges the splits, in the order of the keys.
// Rounding::hf must know a row's whole sum before it rounds a probability: the same kernel runs twice, the first time
// for maxima and sums only.
#include "hip/attention_tile.h"

namespace glmv::GLMV_BACKEND {
namespace {

using namespace attention_tile;
using hip_plan::kDecodeRows;
using hip_plan::KeyRange;

static_assert(kDecodeRows == kWaveRows, "all waves have the same tile of rows");
static_assert(kWaves == 4, "a wave merges one of a lane's four stretches");

// ---- Scratch memory: what each split found

struct RowStats {
  float maximum, sum;  ///< -inf and 0 where a row sees no key of the split
};

struct Partials {
  RowStats* stats;  ///< [tiles, kv heads, splits, 16]
  float* out;       ///< [tiles, kv heads, splits, 16, D]; undefined where the sum is 0
  int kv_heads, splits;

  __device__ int64_t cell(int tile, int kv_head, int split) const {
    return (int64_t(tile) * kv_heads + kv_head) * splits + split;
  }
  __device__ RowStats& stats_of(int64_t cell, int row) const { return stats[cell * kDecodeRows + row]; }
};

/// Merges statistics one after another: their maximum, and the sum brought to it.
template <Pass P>
struct MergedStats {
  float maximum = -INFINITY, sum = 0;

  __device__ void add(RowStats s) {
    if (!(s.sum > 0)) return;
    const float most = fmaxf(maximum, s.maximum);
    sum = sum * exponential<P>(maximum, most) + s.sum * exponential<P>(s.maximum, most);
    maximum = most;
  }
};

// ---- Shared memory: what each wave found; of the sums a few dimensions of every stretch at a time, so that four
// ---- blocks fit on a compute unit

template <int D>
struct Shared {
  static constexpr int kStretch = D / 16, kTurn = kStretch % 4 == 0 ? 4 : kStretch % 2 == 0 ? 2 : 1;
  RowStats stats[kWaves][kDecodeRows];
  float out[kWaves][4][kWave][kTurn];  ///< [wave][stretch of the lane][lane][dimension of the turn]
};

// ---- Device helpers

/// A group of 16 keys on its way to the wave.
template <int D>
struct Group {
  RowOperand<D> k;
  ValueOperand<D> v;

  /// `place`: of key lane % 16.
  template <Pass P>
  __device__ __forceinline__ void load(const AttentionParams& p, int place) {
    k.load(p.k + int64_t{8} * place, place >= 0);
    if constexpr (P != Pass::stats) {
      GPU_UNROLL
      for (int j = 0; j < 4; ++j) {
        const int at = __shfl(place, 4 * (lane() / 16) + j);
        v.load(j, p.v + int64_t{8} * at, at >= 0);
      }
    }
  }
};

/// This wave's groups of keys, of those of the split.
template <Pass P, int D>
__device__ __forceinline__ void walk_groups(const AttentionParams& p, const Work& w, int kv_head, KeyRange keys,
                                            WaveRows<D, 1>& rows, int wave) {
  const int groups = (keys.end - keys.begin + kGroupKeys - 1) / kGroupKeys;
  const int own = groups > wave ? (groups - wave + kWaves - 1) / kWaves : 0;
  const auto first_key = [&](int i) { return keys.begin + (i * kWaves + wave) * kGroupKeys; };
  const auto place_in = [&](int i) { return key_place(p, w, kv_head, first_key(i) + lane() % 16, keys.end); };
  Group<D> next;
  next.template load<P>(p, place_in(0));
  int place = place_in(1);  // looked up a group ahead: the page table is far away
  for (int i = 0; i < own; ++i) {
    const Group<D> now = next;
    next.template load<P>(p, place);
    place = place_in(i + 2);
    take_keys<P, 1>(
        rows, [&](int, RowOperand<D>& k) HIP_INLINE { k = now.k; },
        [&](int, ValueOperand<D>& v) HIP_INLINE { v = now.v; }, first_key(i), p.scale);
  }
  if constexpr (P != Pass::weigh) sum_lanes(rows);
}

template <Pass P, int D>
__device__ RowStats merge_waves(const Shared<D>& shared, int row) {
  MergedStats<P> merged;
  for (int wave = 0; wave < kWaves; ++wave) merged.add(shared.stats[wave][row]);
  return {merged.maximum, merged.sum};
}

/// How much the sums of a part count in a merged row. Where probabilities were divided before, all count in full.
template <Pass P>
__device__ float weight_of(float maximum, const RowStats& whole) {
  return P == Pass::weigh ? 1.0f : exponential<P>(maximum, whole.maximum);
}

/// Before the second pass: maximum and inverse sum of the whole row, from all splits.
template <int D>
__device__ void read_stats(RowBlock<D>& rows, const Partials& partials, int64_t first_cell) {
  MergedStats<Pass::stats> merged;
  for (int s = 0; s < partials.splits; ++s) merged.add(partials.stats_of(first_cell + s, lane() % 16));
  rows.maximum = merged.maximum;
  rows.inverse = inverse_of(merged.sum);
}

/// The block's sums, those of the waves in their order: the output itself where the keys are not split, else a partial
/// one. Wave r merges the lanes' stretches r. All threads of the block.
template <Pass P, int D>
__device__ __forceinline__ void store_sums(const AttentionParams& p, const Work& w, int kv_head,
                                           const Partials& partials, int64_t cell, const RowBlock<D>& rows,
                                           Shared<D>& shared, int wave) {
  constexpr int kStretch = Shared<D>::kStretch, kTurn = Shared<D>::kTurn;
  const int row = lane() % 16, first = (4 * (lane() / 16) + wave) * kStretch;
  const RowStats whole = merge_waves<P>(shared, row);
  const RowPlace at(p, w, row);
  const float factor = P == Pass::weigh ? 1.0f : inverse_of(whole.sum);
  GPU_UNROLL
  for (int e = 0; e < kStretch; e += kTurn) {
    __syncthreads();  // the turn before has been read
    GPU_UNROLL
    for (int r = 0; r < 4; ++r) {
      GPU_UNROLL
      for (int i = 0; i < kTurn; ++i) shared.out[wave][r][lane()][i] = rows.out[e + i][r];
    }
    __syncthreads();
    float sums[kTurn] = {};
    for (int from = 0; from < kWaves; ++from) {
      const float weight = weight_of<P>(shared.stats[from][row].maximum, whole);
      GPU_UNROLL
      for (int i = 0; i < kTurn; ++i) sums[i] = fmaf(shared.out[from][wave][lane()][i], weight, sums[i]);
    }
    if (partials.splits > 1) {
      store_values(partials.out + (cell * kDecodeRows + row) * D + first + e, sums);
    } else if (at.real) {
      GPU_UNROLL
      for (float& sum : sums) sum *= factor;
      store_values(out_row(p, w, kv_head, at) + first + e, sums);
    }
  }
}

// ---- Kernels

/// Grid (tiles, kv heads, splits).
template <Pass P, int D>
__global__ void __launch_bounds__(kThreads, kWavesPerUnit)
    attention_decode_kernel(AttentionParams p, Partials partials) {
  needs_mfma();
  GPU_SHARED(Shared<D>, shared, );
  const int tile = static_cast<int>(blockIdx.x), kv_head = static_cast<int>(blockIdx.y);
  const int split = static_cast<int>(blockIdx.z), wave = static_cast<int>(threadIdx.x) / kWave;
  const Work w = work_of(p, tile);
  if (w.rows <= 0) return;
  const KeyRange keys = hip_plan::split_share(keys_of_tile(p, w), partials.splits, split);
  WaveRows<D, 1> rows(p, w, kv_head, 0);
  if constexpr (P == Pass::weigh) read_stats(rows.block[0], partials, partials.cell(tile, kv_head, 0));
  walk_groups<P>(p, w, kv_head, keys, rows, wave);
  if (lane() < kDecodeRows) shared.stats[wave][lane()] = {rows.block[0].maximum, rows.block[0].sum};
  __syncthreads();
  const int64_t cell = partials.cell(tile, kv_head, split);
  const int row = static_cast<int>(threadIdx.x);
  if (P != Pass::weigh && row < kDecodeRows) partials.stats_of(cell, row) = merge_waves<P>(shared, row);
  if constexpr (P != Pass::stats) store_sums<P>(p, w, kv_head, partials, cell, rows.block[0], shared, wave);
}

/// Grid (tiles, kv heads): adds up the splits of a tile.
template <Pass P, int D>
__global__ void __launch_bounds__(kThreads) attention_combine_kernel(AttentionParams p, Partials partials) {
  const int tile = static_cast<int>(blockIdx.x), kv_head = static_cast<int>(blockIdx.y);
  const Work w = work_of(p, tile);
  const int64_t first = partials.cell(tile, kv_head, 0);
  for (int i = static_cast<int>(threadIdx.x); i < kDecodeRows * D / 2; i += kThreads) {
    const int row = i / (D / 2), column = i % (D / 2) * 2;
    const RowPlace at(p, w, row);
    if (row >= w.rows || !at.real) continue;
    MergedStats<P> whole;
    for (int s = 0; s < partials.splits; ++s) whole.add(partials.stats_of(first + s, row));
    float sums[2] = {};
    for (int s = 0; s < partials.splits; ++s) {
      const RowStats part = partials.stats_of(first + s, row);
      if (!(part.sum > 0)) continue;
      const float weight = weight_of<P>(part.maximum, {whole.maximum, whole.sum});
      float own[2];
      load_values(partials.out + ((first + s) * kDecodeRows + row) * D + column, own);
      sums[0] = fmaf(own[0], weight, sums[0]), sums[1] = fmaf(own[1], weight, sums[1]);
    }
    const float factor = P == Pass::weigh ? 1.0f : inverse_of(whole.sum);
    sums[0] *= factor, sums[1] *= factor;
    store_values(out_row(p, w, kv_head, at) + column, sums);
  }
}

// ---- Launch

template <Pass P, int D>
void launch_splits(const AttentionParams& p, const Partials& partials, const hip_plan::AttentionPlan& plan, Exec exec) {
  const dim3 grid(static_cast<unsigned>(plan.tiles), static_cast<unsigned>(partials.kv_heads),
                  static_cast<unsigned>(plan.splits));
  auto* kernel = attention_decode_kernel<P, D>;
  GLMV_LAUNCH(kernel, grid, dim3(kThreads), 0, exec, p, partials);
}

template <Pass P, int D>
void launch_combine(const AttentionParams& p, const Partials& partials, const hip_plan::AttentionPlan& plan,
                    Exec exec) {
  if (plan.splits == 1) return;  // the splits' kernel has written the output
  const dim3 grid(static_cast<unsigned>(plan.tiles), static_cast<unsigned>(partials.kv_heads));
  auto* kernel = attention_combine_kernel<P, D>;
  GLMV_LAUNCH(kernel, grid, dim3(kThreads), 0, exec, p, partials);
}

Partials partials_in(const Scratch& scratch, const AttentionArgs& a, const hip_plan::AttentionPlan& plan) {
  Partials partials;
  partials.kv_heads = static_cast<int>(a.kv.kv_heads());
  partials.splits = plan.splits;
  partials.stats = static_cast<RowStats*>(scratch.data);
  partials.out =
      reinterpret_cast<float*>(partials.stats + int64_t{plan.tiles} * partials.kv_heads * plan.splits * kDecodeRows);
  return partials;
}

}  // namespace

void attention_decode(const AttentionArgs& a, const hip_plan::AttentionPlan& plan, Exec exec) {
  const AttentionParams p = attention_params(a, plan);
  const Partials partials = partials_in(exec.scratch, a, plan);
  with_head_width(a.q.dim[2], [&](auto width) {
    constexpr int kWidth = decltype(width)::value;
    if (a.rounding == Rounding::once) {
      launch_splits<Pass::online, kWidth>(p, partials, plan, exec);
      launch_combine<Pass::online, kWidth>(p, partials, plan, exec);
    } else {
      launch_splits<Pass::stats, kWidth>(p, partials, plan, exec);
      launch_splits<Pass::weigh, kWidth>(p, partials, plan, exec);
      launch_combine<Pass::weigh, kWidth>(p, partials, plan, exec);
    }
  });
}

}  // namespace glmv::GLMV_BACKEND
