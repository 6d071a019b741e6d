// Prefill and vision attention on sm_90a, heads of 128: 128 rows of one kv head against 128 keys at a time by wgmma.
//
// Rows, masks, softmax and both kinds of rounding are those of cuda/attention_tile.h; what wgmma leaves in a thread is
// what mma.sync leaves there. Scores come from shared memory on both sides; probabilities stay in registers as the left
// operand, values are the right one with adjacent columns ("MN-major").
//
// Keys lie in pages of any size (the tower's have one row), so no tensor load can bring them: a producer warpgroup
// copies rows by cp.async, applies the swizzle itself, and announces a stage when it has landed. Rows that are not
// there become zero, because the probability of an unseen key is zero and zero times what lies there could be NaN.
#include "reference/attention.h"

#include "cuda/attention_tile.h"
#include "cuda/ops.h"
#include "cuda/wgmma/ops.h"
#include "cuda/wgmma/pipeline.h"

namespace glmv::GLMV_BACKEND::wgmma {
namespace {

using namespace attention_tile;
using cuda_plan::kWarpgroup;

constexpr int kKeys = cuda_plan::kAttentionKeys;
constexpr int kHalfTile = 128 * 64;  // elements of 128 rows in one half of the columns: 128 bytes a row

/// Shared memory, from a multiple of 1024 bytes on. Each tile is two halves of 64 columns, swizzled.
struct Tiles {
  bf16 queries[2 * kHalfTile];
  struct Stage {
    bf16 keys[2 * kHalfTile], values[2 * kHalfTile];
  } stages[cuda_plan::kAttentionStages];
};
static_assert(sizeof(Tiles) == cuda_plan::kAttentionSharedBytes, "the planner counts as we do");
static_assert(cuda_plan::kAttentionRows == 128 && kKeys == 128, "of a tile");

#if GLMV_HAS_SM90A

constexpr int kWidth = 128;  // of a head
using KeyRing = Ring<cuda_plan::kAttentionStages>;
using Block = RowBlock<kWidth>;
using Probabilities = uint32_t[kKeys / 16][4];

// ---- The producer

/// Starts this thread's share of the copies of 128 rows: a chunk of every eighth row. row_at(r): its address, or null.
template <class RowAt>
__device__ void start_rows(bf16* tile, const bf16* somewhere, RowAt row_at) {
  const int chunk = threadIdx.x % 16, first = static_cast<int>(threadIdx.x) / 16;
#pragma unroll 2  // addresses of more copies at once would cost registers
  for (int row = first; row < 128; row += kWarpgroup / 16) {
    const bf16* from = row_at(row);
    bf16* to = tile + chunk / 8 * kHalfTile + row * 64 + (chunk % 8 ^ row % 8) * 8;
    ptx::cp_async_16_zfill(to, from == nullptr ? somewhere : from + 8 * chunk, from == nullptr ? 0 : 16);
  }
}

__device__ inline void start_queries(bf16* tile, const AttentionParams& p, const Work& w, int kv_head) {
  const auto* q = reinterpret_cast<const bf16*>(p.q);
  start_rows(tile, q, [&](int row) -> const bf16* {
    const RowPlace at(p, w, row);
    if (!at.real) return nullptr;
    return q + 2 * (int64_t(w.query_0 + at.query) * p.q_token + (int64_t(kv_head) * p.group + at.member) * p.q_head);
  });
}

__device__ inline void start_keys(bf16* tile, const bf16* pages, const AttentionParams& p, const Work& w, int kv_head,
                                  int first, int end) {
  start_rows(tile, pages, [&](int row) -> const bf16* {
    const int place = key_place(p, w, kv_head, first + row, end);
    return place < 0 ? nullptr : pages + int64_t{8} * place;
  });
}

/// All stages of all passes; the queries come with the first. Pass 0 of two needs no values.
__device__ inline void produce_keys(Tiles& tiles, KeyRing& ring, const AttentionParams& p, const Work& w, int kv_head,
                                    int per_pass, int passes) {
  const int keys = keys_of_tile(p, w);
  for (int step = 0; step < passes * per_pass; ++step) {
    ring.wait_empty(step);
    if (step == 0) start_queries(tiles.queries, p, w, kv_head);
    Tiles::Stage& stage = tiles.stages[ring.stage(step)];
    const int first = step % per_pass * kKeys;
    start_keys(stage.keys, p.k, p, w, kv_head, first, keys);
    if (step >= (passes - 1) * per_pass) start_keys(stage.values, p.v, p, w, kv_head, first, keys);
    ptx::cp_async_wait_all();
    ptx::fence_proxy_async();
    ring.announce(step);
  }
}

// ---- Consumers

__device__ inline float (&flat(float (&block)[kKeys / 8][4]))[kKeys / 2] {
  return *reinterpret_cast<float(*)[kKeys / 2]>(&block[0][0]);
}
static_assert(kKeys == kWidth, "scores and outputs have one shape");

/// scores = q k^T for the consumer's 64 rows, from `row` on.
__device__ inline void multiply_keys(Scores<kKeys>& scores, const bf16* queries, const bf16* keys, int row) {
  ptx::wgmma_fence();
  GPU_UNROLL
  for (int half = 0; half < 2; ++half) {
    const uint64_t q = ptx::wgmma_descriptor(queries + half * kHalfTile + row * 64, 0, kGroupBytes);
    const uint64_t k = ptx::wgmma_descriptor(keys + half * kHalfTile, 0, kGroupBytes);
    GPU_UNROLL
    for (int d = 0; d < 4; ++d) ptx::wgmma(flat(scores), q + kStepUnits * d, k + kStepUnits * d, half + d > 0);
  }
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>(flat(scores));
}

/// out += p v. Sixteen keys are two swizzle patterns; the second 64 columns lie a half further.
__device__ inline void weigh_values(Block& rows, const Probabilities& p, const bf16* values) {
  ptx::wgmma_fence();
  GPU_UNROLL
  for (int n = 0; n < kKeys / 16; ++n) {
    const uint64_t v = ptx::wgmma_descriptor(values + n * 16 * 64, kHalfTile * sizeof(bf16), kGroupBytes);
    ptx::wgmma<ptx::Major::mn>(flat(rows.out), p[n], v, true);
  }
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>(flat(rows.out));
}

/// Scores of keys that a thread's two rows do not see become -inf.
__device__ inline void hide_unseen(Scores<kKeys>& scores, const int (&visible)[2], int first_key) {
  const int column = first_key + static_cast<int>(threadIdx.x) % 4 * 2;
  GPU_UNROLL
  for (int n = 0; n < kKeys / 8; ++n) {
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) {
      if (column + 8 * n + i % 2 >= visible[i / 2]) scores[n][i] = -INFINITY;
    }
  }
}

/// One walk over the keys, from step `begin` of the ring on.
template <Pass P>
__device__ void walk(Block& rows, Tiles& tiles, KeyRing& ring, float scale, const int (&visible)[2], int row, int begin,
                     int per_pass) {
  for (int i = 0; i < per_pass; ++i) {
    const Tiles::Stage& stage = tiles.stages[ring.stage(begin + i)];
    ring.wait_full(begin + i);
    Scores<kKeys> scores;
    multiply_keys(scores, tiles.queries, stage.keys, row);
    scale_scores<P, kKeys>(scores, scale);
    hide_unseen(scores, visible, i * kKeys);
    soften<P, kWidth, kKeys>(scores, rows);
    if constexpr (P != Pass::stats) {
      Probabilities p;
      GPU_UNROLL
      for (int n = 0; n < kKeys / 16; ++n) operand_of<kKeys>(p[n], scores, n);
      weigh_values(rows, p, stage.values);
    }
    if (threadIdx.x % kWarpLanes == 0) ring.release(begin + i);
  }
  if constexpr (P != Pass::weigh) {
    GPU_UNROLL
    for (int i = 0; i < 2; ++i) rows.sum[i] = sum_of_row(rows.sum[i]), rows.inverse[i] = inverse_of(rows.sum[i]);
  }
}

__device__ inline void store(const AttentionParams& p, const Work& w, int kv_head, const Block& rows, int row,
                             bool divide) {
  GPU_UNROLL
  for (int i = 0; i < 2; ++i) {
    const RowPlace at(p, w, row + first_row_of_thread() + 8 * i);
    if (!at.real) continue;
    const float factor = divide ? rows.inverse[i] : 1.0f;
    uint32_t* out = out_row(p, w, kv_head, at) + threadIdx.x % 4;
    GPU_UNROLL
    for (int d = 0; d < kWidth / 8; ++d)
      out[4 * d] = pair_of(rows.out[d][2 * i] * factor, rows.out[d][2 * i + 1] * factor);
  }
}

template <Rounding R>
__device__ void consume_keys(Tiles& tiles, KeyRing& ring, const AttentionParams& p, const Work& w, int kv_head, int row,
                             int per_pass) {
  int visible[2];
  GPU_UNROLL
  for (int i = 0; i < 2; ++i) {
    const RowPlace at(p, w, row + first_row_of_thread() + 8 * i);
    visible[i] = at.real ? visible_keys(p, w, at.query) : 0;
  }
  Block rows;
  if constexpr (R == Rounding::once) {
    walk<Pass::online>(rows, tiles, ring, p.scale, visible, row, 0, per_pass);
  } else {
    walk<Pass::stats>(rows, tiles, ring, p.scale, visible, row, 0, per_pass);
    walk<Pass::weigh>(rows, tiles, ring, p.scale, visible, row, per_pass, per_pass);
  }
  store(p, w, kv_head, rows, row, R == Rounding::once);
}

#endif

// ---- Kernel

/// Grid (tiles, kv heads). The last tile of a sequence sees most keys and comes first.
template <Rounding R>
__global__ void __launch_bounds__(cuda_plan::kWgmmaThreads, 1) attention_wgmma_kernel(AttentionParams p) {
#if GLMV_HAS_SM90A
  GPU_DYNAMIC_SHARED(unsigned char, dynamic);
  GPU_SHARED(KeyRing, ring, );
  Tiles& tiles = *aligned_boxes<Tiles>(dynamic);
  const Work w = work_of(p, static_cast<int>(gridDim.x - 1 - blockIdx.x));
  if (w.rows <= 0) return;
  const int kv_head = static_cast<int>(blockIdx.y), warpgroup = static_cast<int>(threadIdx.x) / kWarpgroup;
  const int per_pass = (keys_of_tile(p, w) + kKeys - 1) / kKeys;
  if (threadIdx.x == 0) ring.init(kWarpgroup, kReaders);
  __syncthreads();
  if (warpgroup == 0) {
    ptx::fewer_registers<56>();
    produce_keys(tiles, ring, p, w, kv_head, per_pass, R == Rounding::once ? 1 : 2);
  } else {
    ptx::more_registers<224>();
    consume_keys<R>(tiles, ring, p, w, kv_head, 64 * (warpgroup - 1), per_pass);
  }
#else
  __trap();  // the backend is absent on such a device
#endif
}

}  // namespace

// ---- Launch

size_t attention_scratch(const AttentionArgs& a) { return GLMV_BACKEND::attention_scratch(a); }

void attention(const AttentionArgs& a, Exec exec) {
  check(a);
  const cuda_plan::WgmmaAttentionPlan plan = cuda_plan::plan_attention_wgmma(a, current_device());
  if (plan.rule != nullptr) return GLMV_BACKEND::attention(a, exec);
  const AttentionParams p = attention_params(a, plan.tuned);
  const dim3 grid(static_cast<unsigned>(plan.tuned.tiles), static_cast<unsigned>(a.kv.kv_heads()));
  auto* kernel =
      a.rounding == Rounding::hf ? attention_wgmma_kernel<Rounding::hf> : attention_wgmma_kernel<Rounding::once>;
  allow_shared(kernel, plan.tuned.shared_bytes);
  GLMV_LAUNCH(kernel, grid, dim3(cuda_plan::kWgmmaThreads), plan.tuned.shared_bytes, exec, p);
}

}  // namespace glmv::GLMV_BACKEND::wgmma
