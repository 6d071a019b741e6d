// Prefill and vision attention: 64 or 256 rows of one kv head against 32 keys at a time. The query heads of a kv group
// are rows of one tile, so keys and values are fetched once for all of them, and tiles of one kv head are neighbours in
// the grid. With 64 rows a block is four waves, and blocks on one compute unit fill each other's gaps. With 256 it is
// two groups of four waves that take turns: while one multiplies, the other has its softmax; and keys and values are
// read from shared memory half as often per product. Short prompts have too few of these to fill the device. Neither
// has run on a device yet.
#include "reference/attention.h"

#include "gpu/naive/ops.h"
#include "hip/attention_tile.h"
#include "hip/ops.h"
#include "simt/phases.h"

namespace glmv::GLMV_BACKEND {
namespace {

using namespace attention_tile;
using hip_plan::AttentionPath;
using hip_plan::kLargeTile;
using hip_plan::kPrefillKeys;
using hip_plan::kPrefillRows;
using hip_plan::row_elements;

static_assert(kPrefillRows == kWaves * kWaveRows, "a wave of a small tile has one block of rows");
static_assert(kPrefillKeys % kGroupKeys == 0, "whole groups");

/// Blocks of rows of a wave: two in a tile of two groups of waves.
template <int Groups>
constexpr int kRowBlocks = Groups;
static_assert(kLargeTile == 4, "two groups of waves with two blocks of rows each");

// ---- Shared memory: 32 keys and 32 values for each group of waves. The next 32 wait in registers

template <int D>
struct Stage {
  bf16 keys[kPrefillKeys * row_elements(D)], values[kPrefillKeys * row_elements(D)];
};
template <int D, int Groups>
struct Shared {
  Stage<D> stage[Groups];
};

// ---- Device helpers

/// What a thread brings of every 32 keys and values: the same chunks of the same rows.
template <int D, int Groups>
struct Loads {
  static constexpr int kBlock = Groups * kThreads;
  static constexpr int kChunks = D / 8, kEach = (kPrefillKeys * kChunks + kBlock - 1) / kBlock;
  int place[kEach];        ///< of the keys that are loaded next; -1: none
  int value_place[kEach];  ///< of the values: the keys' own, or those of the keys before them
  uint32_t keys[kEach][4], values[kEach][4];

  __device__ static int row(int i) { return (i * kBlock + static_cast<int>(threadIdx.x)) / kChunks; }

  __device__ __forceinline__ void look_up(const AttentionParams& p, const Work& w, int kv_head, int first_key,
                                          int end) {
    GPU_UNROLL
    for (int i = 0; i < kEach; ++i) {
      value_place[i] = place[i];
      place[i] = row(i) < kPrefillKeys ? key_place(p, w, kv_head, first_key + row(i), end) : -1;
      if (Groups == 1) value_place[i] = place[i];
    }
  }
  /// No keys are before the first.
  __device__ __forceinline__ void start() {
    GPU_UNROLL
    for (int& at : place) at = -1;
  }
  template <Pass P>
  __device__ __forceinline__ void load(const AttentionParams& p) {
    GPU_UNROLL
    for (int i = 0; i < kEach; ++i) {
      const int64_t chunk = chunk_of(i);
      load_words_if(place[i] >= 0, p.k + 8 * (place[i] + chunk), keys[i]);
      if constexpr (P != Pass::stats) load_words_if(value_place[i] >= 0, p.v + 8 * (value_place[i] + chunk), values[i]);
    }
  }
  template <Pass P>
  __device__ __forceinline__ void store(bf16* to_keys, bf16* to_values) const {
    GPU_UNROLL
    for (int i = 0; i < kEach; ++i) {
      if (row(i) >= kPrefillKeys) continue;
      const int at = row(i) * row_elements(D) + 8 * chunk_of(i);
      store_words(to_keys + at, keys[i]);
      if constexpr (P != Pass::stats) store_words(to_values + at, values[i]);
    }
  }

 private:
  __device__ static int chunk_of(int i) { return (i * kBlock + static_cast<int>(threadIdx.x)) % kChunks; }
};

/// f(g, operand) for take_keys' products: what a lane reads of group g of the keys or values.
template <int D>
__device__ __forceinline__ void read_keys(const bf16* keys, int g, RowOperand<D>& k) {
  k.load(keys + (kGroupKeys * g + lane() % 16) * row_elements(D), true);
}
template <int D>
__device__ __forceinline__ void read_values(const bf16* values, int g, ValueOperand<D>& v) {
  const bf16* row = values + (kGroupKeys * g + 4 * (lane() / 16)) * row_elements(D);
  GPU_UNROLL
  for (int j = 0; j < 4; ++j) v.load(j, row + j * row_elements(D), true);
}

/// One walk over all keys that the tile sees.
template <Pass P, int D>
__device__ __forceinline__ void walk_keys(const AttentionParams& p, const Work& w, int kv_head, WaveRows<D, 1>& rows,
                                          Shared<D, 1>& shared) {
  Stage<D>& stage = shared.stage[0];
  const int keys = keys_of_tile(p, w), stages = (keys + kPrefillKeys - 1) / kPrefillKeys;
  Loads<D, 1> loads;
  loads.look_up(p, w, kv_head, 0, keys);
  loads.template load<P>(p);
  loads.look_up(p, w, kv_head, kPrefillKeys, keys);  // a stage ahead: the page table is far away
  for (int s = 0; s < stages; ++s) {
    __syncthreads();  // nobody reads the stage before any more
    loads.template store<P>(stage.keys, stage.values);
    loads.template load<P>(p);
    loads.look_up(p, w, kv_head, (s + 2) * kPrefillKeys, keys);
    __syncthreads();
    take_keys<P, kPrefillKeys / kGroupKeys>(
        rows, [&](int g, RowOperand<D>& k) HIP_INLINE { read_keys(stage.keys, g, k); },
        [&](int g, ValueOperand<D>& v) HIP_INLINE { read_values(stage.values, g, v); }, s * kPrefillKeys, p.scale);
  }
  if constexpr (P != Pass::weigh) sum_lanes(rows);
}

/// The same by two groups of waves, one wave of each on every unit. A wave has phases of products (values of a stage,
/// then keys of the next) and of softmax; the second group is a phase behind the first.
///
/// Stages alternate between two places. In its softmax of stage s the first group stores its part of keys s + 1 and of
/// values s, the second, a phase later, of keys s + 2 and of values s + 1: by then both groups have read what was
/// there, and neither needs it before its next products. So values follow a stage behind the keys.
template <Pass P, int D>
__device__ __forceinline__ void walk_keys(const AttentionParams& p, const Work& w, int kv_head, WaveRows<D, 2>& rows,
                                          Shared<D, 2>& shared) {
  constexpr int kGroups = kPrefillKeys / kGroupKeys;
  const int keys = keys_of_tile(p, w), stages = max((keys + kPrefillKeys - 1) / kPrefillKeys, 1);
  const bool second = wave_uniform(static_cast<int>(threadIdx.x) / kThreads) != 0;
  Loads<D, 2> loads;
  int next = 0;  // stage of the keys that are stored next
  const auto store_next = [&]() HIP_INLINE {
    loads.template store<P>(shared.stage[next % 2].keys, shared.stage[(next + 1) % 2].values);
    loads.template load<P>(p);
    loads.look_up(p, w, kv_head, (next + 2) * kPrefillKeys, keys);
    ++next;
  };
  float scores[2][kGroups][4];
  const auto multiply_keys = [&](int s) HIP_INLINE {
    multiply_groups(rows, scores,
                    [&](int g, RowOperand<D>& k) HIP_INLINE { read_keys(shared.stage[s % 2].keys, g, k); });
  };
  const auto multiply_values = [&](int s) HIP_INLINE {
    if constexpr (P != Pass::stats) {
      weigh_groups(rows, scores,
                   [&](int g, ValueOperand<D>& v) HIP_INLINE { read_values(shared.stage[s % 2].values, g, v); });
    }
  };
  const auto softmax = [&](int s) HIP_INLINE {
    take_scores<P>(rows, scores, s * kPrefillKeys, p.scale);
    store_next();
    phase_barrier();
  };
  loads.start();
  loads.look_up(p, w, kv_head, 0, keys);
  loads.template load<P>(p);
  loads.look_up(p, w, kv_head, kPrefillKeys, keys);
  store_next();
  phase_barrier();
  if (second) {
    store_next();
    phase_barrier();
  }
  multiply_keys(0);
  phase_barrier();
  for (int s = 0; s + 1 < stages; ++s) {
    softmax(s);
    set_priority<1>();
    multiply_values(s);
    multiply_keys(s + 1);
    set_priority<0>();
    phase_barrier();
  }
  softmax(stages - 1);
  multiply_values(stages - 1);
  if (!second) phase_barrier();
  if constexpr (P != Pass::weigh) sum_lanes(rows);
}

/// Stretches of D/16 neighbours; `divide`: by the sum of the probabilities.
template <int D>
__device__ __forceinline__ void store_block(const AttentionParams& p, const Work& w, int kv_head,
                                            const RowBlock<D>& rows, int first_row, bool divide) {
  const RowPlace at(p, w, first_row + lane() % 16);
  if (!at.real) return;
  constexpr int kStretch = D / 16, kStore = kStretch == 6 ? 2 : kStretch;
  const float factor = divide ? rows.inverse : 1.0f;
  bf16* out = out_row(p, w, kv_head, at);
  GPU_UNROLL
  for (int r = 0; r < 4; ++r) {
    GPU_UNROLL
    for (int e = 0; e < kStretch; e += kStore) {
      float values[kStore];
      GPU_UNROLL
      for (int i = 0; i < kStore; ++i) values[i] = rows.out[e + i][r] * factor;
      store_values(out + (4 * (lane() / 16) + r) * kStretch + e, values);
    }
  }
}

// ---- Kernel

/// Grid (tiles, kv heads). The last tile of a sequence sees most keys and comes first.
template <Rounding R, int D, int Groups>
__global__ void __launch_bounds__(Groups* kThreads, kWavesPerUnit) attention_kernel(AttentionParams p) {
  needs_mfma();
  using Memory = Shared<D, Groups>;
  GPU_SHARED(Memory, shared, );
  const int tile = static_cast<int>(gridDim.x - 1 - blockIdx.x);
  const Work w = work_of(p, tile);
  if (w.rows <= 0) return;
  const int kv_head = static_cast<int>(blockIdx.y);
  const int first_row = static_cast<int>(threadIdx.x) / kWave * kRowBlocks<Groups> * kWaveRows;
  WaveRows<D, kRowBlocks<Groups>> rows(p, w, kv_head, first_row);
  if constexpr (R == Rounding::once) {
    walk_keys<Pass::online>(p, w, kv_head, rows, shared);
  } else {
    walk_keys<Pass::stats>(p, w, kv_head, rows, shared);
    walk_keys<Pass::weigh>(p, w, kv_head, rows, shared);
  }
  GPU_UNROLL
  for (int b = 0; b < kRowBlocks<Groups>; ++b) {
    store_block<D>(p, w, kv_head, rows.block[b], first_row + b * kWaveRows, R == Rounding::once);
  }
}

// ---- Launch

void attention_prefill(const AttentionArgs& a, const hip_plan::AttentionPlan& plan, Exec exec) {
  const AttentionParams p = attention_params(a, plan);
  const dim3 grid(static_cast<unsigned>(plan.tiles), static_cast<unsigned>(a.kv.kv_heads()));
  with_head_width(a.q.dim[2], [&](auto width) {
    constexpr int kWidth = decltype(width)::value;
    const bool large = plan.tile_blocks == kLargeTile;
    auto* kernel = large ? attention_kernel<Rounding::once, kWidth, 2> : attention_kernel<Rounding::once, kWidth, 1>;
    if (a.rounding == Rounding::hf) {
      kernel = large ? attention_kernel<Rounding::hf, kWidth, 2> : attention_kernel<Rounding::hf, kWidth, 1>;
    }
    GLMV_LAUNCH(kernel, grid, dim3(large ? 2 * kThreads : kThreads), 0, exec, p);
  });
}

}  // namespace

AttentionParams attention_params(const AttentionArgs& a, const hip_plan::AttentionPlan& plan) {
  AttentionParams p;
  p.q = static_cast<const bf16*>(a.q.data);
  p.out = static_cast<bf16*>(a.out.data);
  p.q_token = a.q.stride[0], p.q_head = a.q.stride[1];
  p.out_token = a.out.stride[0], p.out_head = a.out.stride[1];
  p.k = static_cast<const bf16*>(a.kv.k_pages.data);
  p.v = static_cast<const bf16*>(a.kv.v_pages.data);
  p.page_stride = static_cast<int>(a.kv.k_pages.stride[0] / 8);
  p.key_stride = static_cast<int>(a.kv.k_pages.stride[1] / 8);
  p.kv_head_stride = static_cast<int>(a.kv.k_pages.stride[2] / 8);
  p.page_table = static_cast<const int32_t*>(a.kv.page_table.data);
  p.lengths = static_cast<const int32_t*>(a.kv.lengths.data);
  p.cu_seqlens = static_cast<const int32_t*>(a.cu_seqlens.data);
  p.table_row = a.kv.page_table.stride[0], p.table_column = a.kv.page_table.stride[1];
  p.sequences = static_cast<int>(a.cu_seqlens.dim[0] - 1);
  p.group = static_cast<int>(a.q.dim[1] / a.kv.kv_heads());
  p.page_size = static_cast<int>(a.kv.page_size());
  p.tiling = plan.tiling;
  p.causal = a.mask == Mask::causal;
  p.scale = a.scale;
  return p;
}

size_t attention_scratch(const AttentionArgs& a) {
  const hip_plan::AttentionPlan plan = hip_plan::plan_attention(a, current_device());
  return plan.path == AttentionPath::naive ? naive::attention_scratch(a) : plan.scratch_bytes;
}

void attention(const AttentionArgs& a, Exec exec) {
  check(a);
  check_type("attention", a.out.dtype);
  const hip_plan::AttentionPlan plan = hip_plan::plan_attention(a, current_device());
  GLMV_CHECK(exec.scratch.bytes >= plan.scratch_bytes, "attention needs ", plan.scratch_bytes,
             " bytes of scratch, got ", exec.scratch.bytes);
  switch (plan.path) {
    case AttentionPath::nothing: return;
    case AttentionPath::naive: return naive::attention(a, exec);  // for the reason in plan.rule
    case AttentionPath::prefill: return attention_prefill(a, plan, exec);
    case AttentionPath::decode: return attention_decode(a, plan, exec);
  }
}

}  // namespace glmv::GLMV_BACKEND
