// A stable counting sort. Each warp counts the experts of its own stretch of slots; a scan over experts and warps turns
// counts into the first row of every (warp, expert); then each warp walks its stretch again and hands out rows.
#include "cuda/moe_align.h"

#include "cuda/moe_vector.h"
#include "gpu/elements.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kPerLane = cuda_plan::kMaxExperts / kLanes;  // experts of a lane in the scan
static_assert(cuda_plan::kMaxExperts % kLanes == 0);

// ---- Shared memory: counters [warps, E] (dynamic), offsets [E + 1] and tiles before each expert [E + 1] (the scan's)

struct Offsets {
  int32_t rows[cuda_plan::kMaxExperts + 1], tiles[cuda_plan::kMaxExperts + 1];
};

// ---- Device helpers

struct Input {
  ConstTensorView ids;
  int slots, per_token, experts;
  int chunk;  ///< slots of a block

  /// The expert of a slot; -1 if the id names none, or there is no such slot.
  __device__ int expert_of(int slot, int end) const {
    if (slot >= end) return -1;
    const int id = int_at(ids, slot / per_token, slot % per_token);
    return id >= 0 && id < experts ? id : -1;
  }
};

/// The slots of one warp: a stretch of its block's.
struct Stretch {
  int begin, end;
};
__device__ Stretch stretch_of_warp(const Input& in) {
  const int warps = static_cast<int>(blockDim.x) / kLanes, warp = static_cast<int>(threadIdx.x) / kLanes;
  const int first = static_cast<int>(blockIdx.x) * in.chunk, last = min(first + in.chunk, in.slots);
  const int each = ((last - first + warps - 1) / warps + kLanes - 1) / kLanes * kLanes;
  return {min(first + warp * each, last), min(first + (warp + 1) * each, last)};
}

/// f(slot, expert, lanes with the same expert) for every slot of the warp, 32 at a time in ascending order.
template <class F>
__device__ void for_each_slot(const Input& in, F f) {
  const Stretch stretch = stretch_of_warp(in);
  for (int begin = stretch.begin; begin < stretch.end; begin += kLanes) {
    const int slot = begin + static_cast<int>(threadIdx.x) % kLanes;
    const int expert = in.expert_of(slot, stretch.end);
    f(slot, expert, __match_any_sync(kAllLanes, expert));
  }
}

__device__ unsigned lanes_below() { return (1u << (threadIdx.x % kLanes)) - 1; }

/// counters[warp][expert] = slots of the warp that go to the expert.
__device__ void count_slots(const Input& in, int32_t* counters) {
  int32_t* mine = counters + threadIdx.x / kLanes * in.experts;
  for (int e = threadIdx.x % kLanes; e < in.experts; e += kLanes) mine[e] = 0;
  __syncwarp();
  for_each_slot(in, [&](int, int expert, unsigned same) {
    if (expert >= 0 && (same & lanes_below()) == 0) mine[expert] += __popc(same);  // one lane speaks for them
    __syncwarp();
  });
}

/// Counters [n, E] of all warps (or blocks) become the rows before each of them within their expert; total(e, rows).
template <class F>
__device__ void sum_over(int32_t* counters, int n, int experts, F total) {
  for (int e = threadIdx.x; e < experts; e += blockDim.x) {
    int32_t rows = 0;
    for (int i = 0; i < n; ++i) {
      const int32_t here = counters[i * experts + e];
      counters[i * experts + e] = rows;
      rows += here;
    }
    total(e, rows);
  }
}

/// Sum of the values of the lanes below.
__device__ int32_t sum_below(int32_t value) {
  int32_t sum = value;
  GPU_UNROLL
  for (int step = 1; step < kLanes; step *= 2) {
    const int32_t below = __shfl_up_sync(kAllLanes, sum, step);
    if (static_cast<int>(threadIdx.x % kLanes) >= step) sum += below;
  }
  return sum - value;
}

/// v[0..n-1] become the sums of what is before them, v[n] the sum of all. One warp.
template <class F>
__device__ void scan(const F& value_of, int n, int32_t* sums) {
  const int first = static_cast<int>(threadIdx.x % kLanes) * kPerLane;
  int32_t own = 0;
  for (int e = first; e < min(first + kPerLane, n); ++e) own += value_of(e);
  int32_t before = sum_below(own);
  for (int e = first; e < min(first + kPerLane, n); ++e) sums[e] = before, before += value_of(e);
  if (threadIdx.x % kLanes == kLanes - 1) sums[n] = before;
}

/// Totals of rows, one per expert in `totals`, become both prefix sums. The whole block; barriers on both sides.
__device__ void scan_experts(const int32_t* totals, int experts, int tile_rows, Offsets& offsets) {
  __syncthreads();
  if (threadIdx.x < kLanes) {
    scan([&](int e) { return totals[e]; }, experts, offsets.rows);
    scan([&](int e) { return (totals[e] + tile_rows - 1) / tile_rows; }, experts, offsets.tiles);
  }
  __syncthreads();
}

/// The expert whose tiles include number `tile`: the last one with tiles[e] <= tile.
__device__ int expert_of_tile(const Offsets& offsets, int experts, int tile) {
  int low = 0, high = experts;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (offsets.tiles[middle] <= tile ? low : high) = middle;
  }
  return low;
}

__device__ void write_tiles(const Offsets& offsets, int experts, int tile_rows, int row_tiles, RowTile* tiles) {
  for (int tile = static_cast<int>(threadIdx.x); tile < row_tiles; tile += blockDim.x) {
    if (tile >= offsets.tiles[experts]) {
      tiles[tile] = {-1, 0, 0, 0};
      continue;
    }
    const int e = expert_of_tile(offsets, experts, tile);
    const int first = offsets.rows[e] + (tile - offsets.tiles[e]) * tile_rows;
    tiles[tile] = {e, first, min(tile_rows, offsets.rows[e + 1] - first), 0};
  }
}

__device__ void write_offsets(const Offsets& offsets, int experts, int32_t* to) {
  for (int e = threadIdx.x; e <= experts; e += blockDim.x) to[e] = offsets.rows[e];
}

/// Rows for the slots of the warp; counters[warp][expert] is the next row, relative to first_row(expert).
template <class F>
__device__ void place_slots(const Input& in, int32_t* counters, const Alignment& to, F first_row) {
  int32_t* mine = counters + threadIdx.x / kLanes * in.experts;
  const int end = stretch_of_warp(in).end;
  for_each_slot(in, [&](int slot, int expert, unsigned same) {
    int32_t row = -1;
    if (expert >= 0) {
      row = first_row(expert) + mine[expert] + __popc(same & lanes_below());
      to.slot_of_row[row] = slot;
    }
    if (slot < end) to.row_of_slot[slot] = row;
    __syncwarp();  // everybody has read the counter
    if (expert >= 0 && (same & lanes_below()) == 0) mine[expert] += __popc(same);
    __syncwarp();
  });
}

// ---- Kernels

/// One block does everything.
__global__ void __launch_bounds__(kMaxThreads) align_kernel(Input in, int tile_rows, int row_tiles, Alignment to) {
  GPU_DYNAMIC_SHARED(int32_t, counters);
  GPU_SHARED(Offsets, offsets);
  GPU_SHARED(int32_t, totals, [cuda_plan::kMaxExperts]);
  count_slots(in, counters);
  __syncthreads();
  sum_over(counters, blockDim.x / kLanes, in.experts, [&](int e, int32_t rows) { totals[e] = rows; });
  scan_experts(totals, in.experts, tile_rows, offsets);
  write_offsets(offsets, in.experts, to.offsets);
  write_tiles(offsets, in.experts, tile_rows, row_tiles, to.tiles);
  place_slots(in, counters, to, [&](int e) { return offsets.rows[e]; });
}

/// counts[block][expert], the first of three launches.
__global__ void __launch_bounds__(kMaxThreads) count_kernel(Input in, int32_t* counts) {
  GPU_DYNAMIC_SHARED(int32_t, counters);
  count_slots(in, counters);
  __syncthreads();
  sum_over(counters, blockDim.x / kLanes, in.experts,
           [&](int e, int32_t rows) { counts[blockIdx.x * in.experts + e] = rows; });
}

/// One block: counts become the rows before each block within an expert; offsets and tiles.
__global__ void __launch_bounds__(kMaxThreads)
    scan_kernel(int blocks, int experts, int tile_rows, int row_tiles, Alignment to) {
  GPU_SHARED(Offsets, offsets);
  GPU_SHARED(int32_t, totals, [cuda_plan::kMaxExperts]);
  sum_over(to.counts, blocks, experts, [&](int e, int32_t rows) { totals[e] = rows; });
  scan_experts(totals, experts, tile_rows, offsets);
  write_offsets(offsets, experts, to.offsets);
  write_tiles(offsets, experts, tile_rows, row_tiles, to.tiles);
}

__global__ void __launch_bounds__(kMaxThreads) place_kernel(Input in, Alignment to) {
  GPU_DYNAMIC_SHARED(int32_t, counters);
  count_slots(in, counters);
  __syncthreads();
  sum_over(counters, blockDim.x / kLanes, in.experts, [](int, int32_t) {});
  __syncthreads();
  const int32_t* before = to.counts + blockIdx.x * in.experts;
  place_slots(in, counters, to, [&](int e) { return to.offsets[e] + before[e]; });
}

}  // namespace

// ---- Launch

Alignment place_alignment(void* memory, const cuda_plan::AlignPlan& plan) {
  const auto ints = [&](size_t at) { return reinterpret_cast<int32_t*>(static_cast<char*>(memory) + at); };
  return {ints(plan.offsets_at), ints(plan.slot_of_row_at), ints(plan.row_of_slot_at),
          reinterpret_cast<RowTile*>(ints(plan.tiles_at)), ints(plan.counts_at)};
}

void moe_align(const ConstTensorView& ids, int64_t experts, const Alignment& to, const cuda_plan::AlignPlan& plan,
               Exec exec) {
  const Input in = {ids, static_cast<int>(ids.size()), static_cast<int>(ids.dim[1]), static_cast<int>(experts),
                    static_cast<int>(plan.chunk)};
  const int row_tiles = static_cast<int>(plan.row_tiles);
  const dim3 threads(static_cast<unsigned>(plan.threads)), blocks(static_cast<unsigned>(plan.blocks));
  if (plan.blocks == 1) {
    GLMV_LAUNCH(align_kernel, dim3(1), threads, plan.shared_bytes, exec, in, plan.tile_rows, row_tiles, to);
    return;
  }
  GLMV_LAUNCH(count_kernel, blocks, threads, plan.shared_bytes, exec, in, to.counts);
  GLMV_LAUNCH(scan_kernel, dim3(1), threads, 0, exec, static_cast<int>(plan.blocks), in.experts, plan.tile_rows,
              row_tiles, to);
  GLMV_LAUNCH(place_kernel, blocks, threads, plan.shared_bytes, exec, in, to);
}

}  // namespace glmv::GLMV_BACKEND
