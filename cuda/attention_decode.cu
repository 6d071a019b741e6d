// Decode attention: few queries per sequence, so the keys are split over blocks to fill the device. The query heads of
// a kv group are the rows of one mma tile (12 of 16 for GLM-4.5V: the rest is empty and costs nothing that matters, the
// kernel waits for memory).
//
// A block is one (tile, kv head, split); each of its warps takes every fourth group of 16 keys through stages of its
// own, without a block barrier until the warps merge in shared memory. A second kernel merges the splits, in the order
// of the keys. Rounding::hf must know a row's whole sum before it rounds a probability: the same kernel runs twice, the
// first time for maxima and sums only.
#include "cuda/attention_tile.h"

namespace glmv::GLMV_BACKEND {
namespace {

using namespace attention_tile;
using cuda_plan::kDecodeKeys;
using cuda_plan::kDecodeRows;
using cuda_plan::kDecodeStages;
using cuda_plan::KeyRange;

static_assert(kDecodeRows == kWarpRows, "all warps have the same tile of rows");
static_assert(kDecodeKeys == kWarps * kWarpKeys, "a stage has a group of keys for each warp");

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

// ---- Shared memory: the queries; then stages of each warp, 16 keys and 16 values each, and afterwards in the stages'
// ---- place what each warp found

template <int D>
struct Shared {
  static constexpr int kGroup = kWarpKeys * row_elements(D);  // elements
  static constexpr int kPitch = D + 8;                        // floats of a row: rows of a store hit different banks
  bf16* queries;

  __device__ bf16* stages() const { return queries + kDecodeRows * row_elements(D); }
  __device__ bf16* keys(int warp, int group) const {
    return stages() + (warp * kDecodeStages + group % kDecodeStages) * 2 * kGroup;
  }
  __device__ bf16* values(int warp, int group) const { return keys(warp, group) + kGroup; }
  __device__ float* out(int warp, int row) const {
    return reinterpret_cast<float*>(stages()) + (warp * kWarpRows + row) * kPitch;
  }
  __device__ RowStats& stats(int warp, int row) const {
    return reinterpret_cast<RowStats*>(out(kWarps, 0))[warp * kWarpRows + row];
  }
};

template <int D>
constexpr bool merge_fits() {
  return kWarps * kWarpRows * (Shared<D>::kPitch * sizeof(float) + sizeof(RowStats)) <=
         kWarps * kDecodeStages * 2 * Shared<D>::kGroup * sizeof(bf16);
}
static_assert(merge_fits<16>() && merge_fits<128>(), "the warps' results take the place of the stages");

// ---- Device helpers

/// This warp's groups of keys, of those of the split.
template <Pass P, int D>
__device__ void walk_groups(const AttentionParams& p, const Work& w, int kv_head, KeyRange keys, WarpRows<D, 1>& rows,
                            const Shared<D>& shared, int warp, int lane) {
  const int groups = (keys.end - keys.begin + kWarpKeys - 1) / kWarpKeys;
  const int own = groups > warp ? (groups - warp + kWarps - 1) / kWarps : 0;
  const auto first_key = [&](int i) { return keys.begin + (i * kWarps + warp) * kWarpKeys; };
  const auto place_in = [&](int i) { return key_place(p, w, kv_head, first_key(i) + lane % kWarpKeys, keys.end); };
  const auto fetch = [&](int i, int place) {
    if (i < own) {
      fetch_rows<D>(shared.keys(warp, i), p.k, place, lane);
      if constexpr (P != Pass::stats) fetch_rows<D>(shared.values(warp, i), p.v, place, lane);
    }
    ptx::cp_async_commit();  // an empty group too: the waits below count groups
  };

  GPU_UNROLL
  for (int i = 0; i < kDecodeStages - 1; ++i) fetch(i, place_in(i));
  int next = place_in(kDecodeStages - 1);
  for (int i = 0; i < own; ++i) {
    ptx::cp_async_wait<kDecodeStages - 2>();
    __syncwarp();  // group i is there for all lanes, and none reads the stage of group i - 1 any more
    fetch(i + kDecodeStages - 1, next);
    next = place_in(i + kDecodeStages);
    take_keys<P, kWarpKeys>(rows, shared.keys(warp, i), shared.values(warp, i), first_key(i), p.scale, lane);
  }
  ptx::cp_async_wait_all();
  if constexpr (P != Pass::weigh) sum_lanes(rows);
}

/// Lays down what this warp found.
template <Pass P, int D>
__device__ void lay_down(const RowBlock<D>& rows, const Shared<D>& shared, int warp, int lane) {
  GPU_UNROLL
  for (int i = 0; i < 2; ++i) {
    const int row = lane / 4 + 8 * i;
    if (lane % 4 == 0) shared.stats(warp, row) = {rows.maximum[i], rows.sum[i]};
    if constexpr (P != Pass::stats) {
      float* out = shared.out(warp, row) + lane % 4 * 2;
      GPU_UNROLL
      for (int d = 0; d < D / 8; ++d) out[8 * d] = rows.out[d][2 * i], out[8 * d + 1] = rows.out[d][2 * i + 1];
    }
  }
}

template <Pass P, int D>
__device__ RowStats merge_warps(const Shared<D>& shared, int row) {
  MergedStats<P> merged;
  for (int warp = 0; warp < kWarps; ++warp) merged.add(shared.stats(warp, row));
  return {merged.maximum, merged.sum};
}

/// How much the sums of a part count in a merged row. Where probabilities were divided before, all count in full.
template <Pass P>
__device__ float weight_of(float maximum, const RowStats& whole) {
  return P == Pass::weigh ? 1.0f : exponential<P>(maximum, whole.maximum);
}

/// Column of a row summed over the warps, in their order.
template <Pass P, int D>
__device__ float merge_column(const Shared<D>& shared, int row, int column, const RowStats& whole) {
  float sum = 0;
  for (int warp = 0; warp < kWarps; ++warp)
    sum = fmaf(shared.out(warp, row)[column], weight_of<P>(shared.stats(warp, row).maximum, whole), sum);
  return sum;
}

/// Before the second pass: maximum and inverse sum of the whole row, from all splits.
template <int D>
__device__ void read_stats(RowBlock<D>& rows, const Partials& partials, int64_t first_cell, int lane) {
  GPU_UNROLL
  for (int i = 0; i < 2; ++i) {
    MergedStats<Pass::stats> merged;
    for (int s = 0; s < partials.splits; ++s) merged.add(partials.stats_of(first_cell + s, lane / 4 + 8 * i));
    rows.maximum[i] = merged.maximum;
    rows.inverse[i] = inverse_of(merged.sum);
  }
}

/// The block's sums: the output itself where the keys are not split, else a partial one.
template <Pass P, int D>
__device__ void store_sums(const AttentionParams& p, const Work& w, int kv_head, const Partials& partials, int64_t cell,
                           const Shared<D>& shared) {
  for (int i = static_cast<int>(threadIdx.x); i < kDecodeRows * D / 2; i += kThreads) {
    const int row = i / (D / 2), column = i % (D / 2) * 2;
    const RowStats whole = merge_warps<P>(shared, row);
    const float low = merge_column<P>(shared, row, column, whole),
                high = merge_column<P>(shared, row, column + 1, whole);
    if (partials.splits > 1) {
      float* out = partials.out + (cell * kDecodeRows + row) * D + column;
      out[0] = low, out[1] = high;
      continue;
    }
    const RowPlace at(p, w, row);
    const float factor = P == Pass::weigh ? 1.0f : inverse_of(whole.sum);
    if (at.real) out_row(p, w, kv_head, at)[column / 2] = pair_of(low * factor, high * factor);
  }
}

// ---- Kernels

/// Grid (tiles, kv heads, splits).
template <Pass P, int D>
__global__ void __launch_bounds__(kThreads, 2) attention_decode_kernel(AttentionParams p, Partials partials) {
  GPU_DYNAMIC_SHARED(bf16, memory);
  const int tile = static_cast<int>(blockIdx.x), kv_head = static_cast<int>(blockIdx.y);
  const int split = static_cast<int>(blockIdx.z);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const Work w = work_of(p, tile);
  if (w.rows <= 0) return;
  const Shared<D> shared{memory};
  const KeyRange keys = cuda_plan::split_share(keys_of_tile(p, w), partials.splits, split);
  load_queries<D>(shared.queries, p, w, kv_head, kDecodeRows, warp, lane);
  WarpRows<D, 1> rows(p, w, 0, shared.queries);
  if constexpr (P == Pass::weigh) read_stats(rows.block[0], partials, partials.cell(tile, kv_head, 0), lane);
  __syncthreads();  // the queries are there
  walk_groups<P>(p, w, kv_head, keys, rows, shared, warp, lane);
  __syncthreads();  // the stages become the place of the results
  lay_down<P>(rows.block[0], shared, warp, lane);
  __syncthreads();
  const int64_t cell = partials.cell(tile, kv_head, split);
  const int row = static_cast<int>(threadIdx.x);
  if (P != Pass::weigh && row < kDecodeRows) partials.stats_of(cell, row) = merge_warps<P>(shared, row);
  if constexpr (P != Pass::stats) store_sums<P>(p, w, kv_head, partials, cell, shared);
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
    float low = 0, high = 0;
    for (int s = 0; s < partials.splits; ++s) {
      const RowStats part = partials.stats_of(first + s, row);
      if (!(part.sum > 0)) continue;
      const float* sums = partials.out + ((first + s) * kDecodeRows + row) * D + column;
      const float weight = weight_of<P>(part.maximum, {whole.maximum, whole.sum});
      low = fmaf(sums[0], weight, low), high = fmaf(sums[1], weight, high);
    }
    const float factor = P == Pass::weigh ? 1.0f : inverse_of(whole.sum);
    out_row(p, w, kv_head, at)[column / 2] = pair_of(low * factor, high * factor);
  }
}

// ---- Launch

template <Pass P, int D>
void launch_splits(const AttentionParams& p, const Partials& partials, const cuda_plan::AttentionPlan& plan,
                   Exec exec) {
  const dim3 grid(static_cast<unsigned>(plan.tiles), static_cast<unsigned>(partials.kv_heads),
                  static_cast<unsigned>(plan.splits));
  auto* kernel = attention_decode_kernel<P, D>;
  allow_shared(kernel, plan.shared_bytes);
  GLMV_LAUNCH(kernel, grid, dim3(kThreads), plan.shared_bytes, exec, p, partials);
}

template <Pass P, int D>
void launch_combine(const AttentionParams& p, const Partials& partials, const cuda_plan::AttentionPlan& plan,
                    Exec exec) {
  if (plan.splits == 1) return;  // the splits' kernel has written the output
  const dim3 grid(static_cast<unsigned>(plan.tiles), static_cast<unsigned>(partials.kv_heads));
  auto* kernel = attention_combine_kernel<P, D>;
  GLMV_LAUNCH(kernel, grid, dim3(kThreads), 0, exec, p, partials);
}

Partials partials_in(const Scratch& scratch, const AttentionArgs& a, const cuda_plan::AttentionPlan& plan) {
  Partials partials;
  partials.kv_heads = static_cast<int>(a.kv.kv_heads());
  partials.splits = plan.splits;
  partials.stats = static_cast<RowStats*>(scratch.data);
  partials.out =
      reinterpret_cast<float*>(partials.stats + int64_t{plan.tiles} * partials.kv_heads * plan.splits * kDecodeRows);
  return partials;
}

}  // namespace

void attention_decode(const AttentionArgs& a, const cuda_plan::AttentionPlan& plan, Exec exec) {
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
