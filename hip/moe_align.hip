// A stable counting sort. Each wave counts the experts of its own stretch of slots; a scan over experts and waves turns
// counts into the first row of every (wave, expert); then each wave walks its stretch again and hands out rows.
#include "hip/moe_align.h"

#include "gpu/elements.h"
#include "hip/waves.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kMaxThreads = 1024;

// ---- Shared memory: counters [waves, E] (dynamic), offsets [E + 1] and tiles before each expert [E + 1] (the scan's)

struct Offsets {
  int32_t rows[hip_plan::kMaxExperts + 1], tiles[hip_plan::kMaxExperts + 1];
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

/// The slots of one wave: a stretch of its block's.
struct Stretch {
  int begin, end;
};
template <int Lanes>
__device__ Stretch stretch_of_wave(const Input& in) {
  const int waves = static_cast<int>(blockDim.x) / Lanes, wave = wave_number<Lanes>();
  const int first = static_cast<int>(blockIdx.x) * in.chunk, last = min(first + in.chunk, in.slots);
  const int each = ((last - first + waves - 1) / waves + Lanes - 1) / Lanes * Lanes;
  return {min(first + wave * each, last), min(first + (wave + 1) * each, last)};
}

/// The lanes that have the caller's value, one value after another: there is no instruction for it.
template <int Lanes>
__device__ uint64_t lanes_with(int value) {
  uint64_t mine = 0;
  for (uint64_t left = __ballot(1); left != 0;) {
    const int other = __shfl(value, __ffsll(static_cast<long long>(left)) - 1, Lanes);
    const uint64_t same = __ballot(value == other);
    if (value == other) mine = same;
    left &= ~same;
  }
  return mine;
}

/// f(slot, expert, lanes with the same expert) for every slot of the wave, a slot per lane at a time, ascending.
template <int Lanes, class F>
__device__ void for_each_slot(const Input& in, F f) {
  const Stretch stretch = stretch_of_wave<Lanes>(in);
  for (int begin = stretch.begin; begin < stretch.end; begin += Lanes) {
    const int slot = begin + lane_number<Lanes>();
    const int expert = in.expert_of(slot, stretch.end);
    f(slot, expert, lanes_with<Lanes>(expert));
  }
}

template <int Lanes>
__device__ uint64_t lanes_below() {
  return (uint64_t{1} << lane_number<Lanes>()) - 1;
}

/// counters[wave][expert] = slots of the wave that go to the expert.
template <int Lanes>
__device__ void count_slots(const Input& in, int32_t* counters) {
  int32_t* mine = counters + wave_number<Lanes>() * in.experts;
  for (int e = lane_number<Lanes>(); e < in.experts; e += Lanes) mine[e] = 0;
  wave_barrier();
  for_each_slot<Lanes>(in, [&](int, int expert, uint64_t same) {
    if (expert >= 0 && (same & lanes_below<Lanes>()) == 0) mine[expert] += __popcll(same);  // one lane speaks for them
    wave_barrier();
  });
}

/// Counters [n, E] of all waves (or blocks) become the rows before each of them within their expert; total(e, rows).
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
template <int Lanes>
__device__ int32_t sum_below(int32_t value) {
  int32_t sum = value;
  GPU_UNROLL
  for (int step = 1; step < Lanes; step *= 2) {
    const int32_t below = __shfl_up(sum, static_cast<unsigned>(step), Lanes);
    if (lane_number<Lanes>() >= step) sum += below;
  }
  return sum - value;
}

/// v[0..n-1] become the sums of what is before them, v[n] the sum of all. One wave.
template <int Lanes, class F>
__device__ void scan(const F& value_of, int n, int32_t* sums) {
  constexpr int kPerLane = hip_plan::kMaxExperts / Lanes;
  const int first = lane_number<Lanes>() * kPerLane;
  int32_t own = 0;
  for (int e = first; e < min(first + kPerLane, n); ++e) own += value_of(e);
  int32_t before = sum_below<Lanes>(own);
  for (int e = first; e < min(first + kPerLane, n); ++e) sums[e] = before, before += value_of(e);
  if (lane_number<Lanes>() == Lanes - 1) sums[n] = before;
}

/// Totals of rows, one per expert in `totals`, become both prefix sums. The whole block; barriers on both sides.
template <int Lanes>
__device__ void scan_experts(const int32_t* totals, int experts, int tile_rows, Offsets& offsets) {
  __syncthreads();
  if (threadIdx.x < Lanes) {
    scan<Lanes>([&](int e) { return totals[e]; }, experts, offsets.rows);
    scan<Lanes>([&](int e) { return (totals[e] + tile_rows - 1) / tile_rows; }, experts, offsets.tiles);
  }
  __syncthreads();
}

/// The expert whose tiles include number `tile`: the last one with tiles[e] <= tile.
__device__ int expert_of_tile(const Offsets& offsets, int experts, int tile) {
  int low = 0, high = experts;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (offsets.tiles[middle] <= tile) {
      low = middle;
    } else {
      high = middle;
    }
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

/// Rows for the slots of the wave; counters[wave][expert] is the next row, relative to first_row(expert).
template <int Lanes, class F>
__device__ void place_slots(const Input& in, int32_t* counters, const Alignment& to, F first_row) {
  int32_t* mine = counters + wave_number<Lanes>() * in.experts;
  const int end = stretch_of_wave<Lanes>(in).end;
  for_each_slot<Lanes>(in, [&](int slot, int expert, uint64_t same) {
    int32_t row = -1;
    if (expert >= 0) {
      row = first_row(expert) + mine[expert] + __popcll(same & lanes_below<Lanes>());
      to.slot_of_row[row] = slot;
    }
    if (slot < end) to.row_of_slot[slot] = row;
    wave_barrier();  // everybody has read the counter
    if (expert >= 0 && (same & lanes_below<Lanes>()) == 0) mine[expert] += __popcll(same);
    wave_barrier();
  });
}

// ---- Kernels

/// One block does everything.
template <int Lanes>
__global__ void __launch_bounds__(kMaxThreads) align_kernel(Input in, int tile_rows, int row_tiles, Alignment to) {
  needs_wave<Lanes>();
  GPU_DYNAMIC_SHARED(int32_t, counters);
  GPU_SHARED(Offsets, offsets);
  GPU_SHARED(int32_t, totals, [hip_plan::kMaxExperts]);
  count_slots<Lanes>(in, counters);
  __syncthreads();
  sum_over(counters, blockDim.x / Lanes, in.experts, [&](int e, int32_t rows) { totals[e] = rows; });
  scan_experts<Lanes>(totals, in.experts, tile_rows, offsets);
  write_offsets(offsets, in.experts, to.offsets);
  write_tiles(offsets, in.experts, tile_rows, row_tiles, to.tiles);
  place_slots<Lanes>(in, counters, to, [&](int e) { return offsets.rows[e]; });
}

/// counts[block][expert], the first of three launches.
template <int Lanes>
__global__ void __launch_bounds__(kMaxThreads) count_kernel(Input in, int32_t* counts) {
  needs_wave<Lanes>();
  GPU_DYNAMIC_SHARED(int32_t, counters);
  count_slots<Lanes>(in, counters);
  __syncthreads();
  sum_over(counters, blockDim.x / Lanes, in.experts,
           [&](int e, int32_t rows) { counts[blockIdx.x * in.experts + e] = rows; });
}

/// One block: counts become the rows before each block within an expert; offsets and tiles.
template <int Lanes>
__global__ void __launch_bounds__(kMaxThreads)
    scan_kernel(int blocks, int experts, int tile_rows, int row_tiles, Alignment to) {
  needs_wave<Lanes>();
  GPU_SHARED(Offsets, offsets);
  GPU_SHARED(int32_t, totals, [hip_plan::kMaxExperts]);
  sum_over(to.counts, blocks, experts, [&](int e, int32_t rows) { totals[e] = rows; });
  scan_experts<Lanes>(totals, experts, tile_rows, offsets);
  write_offsets(offsets, experts, to.offsets);
  write_tiles(offsets, experts, tile_rows, row_tiles, to.tiles);
}

template <int Lanes>
__global__ void __launch_bounds__(kMaxThreads) place_kernel(Input in, Alignment to) {
  needs_wave<Lanes>();
  GPU_DYNAMIC_SHARED(int32_t, counters);
  count_slots<Lanes>(in, counters);
  __syncthreads();
  sum_over(counters, blockDim.x / Lanes, in.experts, [](int, int32_t) {});
  __syncthreads();
  const int32_t* before = to.counts + blockIdx.x * in.experts;
  place_slots<Lanes>(in, counters, to, [&](int e) { return to.offsets[e] + before[e]; });
}

}  // namespace

// ---- Launch

Alignment place_alignment(void* memory, const hip_plan::AlignPlan& plan) {
  const auto ints = [&](size_t at) { return reinterpret_cast<int32_t*>(static_cast<char*>(memory) + at); };
  return {ints(plan.offsets_at), ints(plan.slot_of_row_at), ints(plan.row_of_slot_at),
          reinterpret_cast<RowTile*>(ints(plan.tiles_at)), ints(plan.counts_at)};
}

void moe_align(const ConstTensorView& ids, int64_t experts, const Alignment& to, const hip_plan::AlignPlan& plan,
               Exec exec) {
  const Input in = {ids, static_cast<int>(ids.size()), static_cast<int>(ids.dim[1]), static_cast<int>(experts),
                    static_cast<int>(plan.chunk)};
  const int row_tiles = static_cast<int>(plan.row_tiles);
  const dim3 threads(static_cast<unsigned>(plan.threads)), blocks(static_cast<unsigned>(plan.blocks));
  with_wave([&](auto lanes) {
    constexpr int kLanes = decltype(lanes)::value;
    if (plan.blocks == 1) {
      GLMV_LAUNCH(align_kernel<kLanes>, dim3(1), threads, plan.shared_bytes, exec, in, plan.tile_rows, row_tiles, to);
      return;
    }
    GLMV_LAUNCH(count_kernel<kLanes>, blocks, threads, plan.shared_bytes, exec, in, to.counts);
    GLMV_LAUNCH(scan_kernel<kLanes>, dim3(1), threads, 0, exec, static_cast<int>(plan.blocks), in.experts,
                plan.tile_rows, row_tiles, to);
    GLMV_LAUNCH(place_kernel<kLanes>, blocks, threads, plan.shared_bytes, exec, in, to);
  });
}

}  // namespace glmv::GLMV_BACKEND
