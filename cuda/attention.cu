// Prefill and vision attention: 64 rows of one kv head against 64 keys at a time. The query heads of a kv group are
// rows of one block, so keys and values are fetched once for all of them, and blocks of one kv head are neighbours.
#include "reference/attention.h"

#include "cuda/attention_tile.h"
#include "cuda/elements.h"
#include "cuda/naive/ops.h"
#include "cuda/ops.h"

namespace glmv::GLMV_BACKEND {
namespace {

using namespace attention_tile;
using cuda_plan::AttentionPath;
using cuda_plan::kPrefillKeys;
using cuda_plan::kPrefillRows;
using cuda_plan::kPrefillStages;
using cuda_plan::row_elements;

static_assert(kPrefillRows == kWarps * kWarpRows, "each warp has one mma tile of rows");
static_assert(kPrefillKeys == kWarps * kWarpKeys, "each warp fetches an equal part of a tile of keys");
static_assert(kPrefillStages == 2, "one tile is worked on while the next one comes");

// ---- Shared memory: per stage 64 keys, then 64 values

template <int D>
struct Stage {
  bf16 *k, *v;
  __device__ Stage(bf16* shared, int tile) {
    constexpr int kElements = kPrefillKeys * row_elements(D);
    k = shared + tile % kPrefillStages * 2 * kElements;
    v = k + kElements;
  }
};

// ---- Device helpers

/// Starts this warp's quarter of a tile; `place` as fetch_rows wants it.
template <Pass P, int D>
__device__ void fetch_tile(const AttentionParams& p, const Stage<D>& to, int64_t place, int warp, int lane) {
  const int row = warp * kWarpKeys * row_elements(D);
  fetch_rows<D>(to.k + row, p.k, place, lane);
  if constexpr (P != Pass::stats) fetch_rows<D>(to.v + row, p.v, place, lane);
  ptx::cp_async_commit();
}

/// One walk over all keys that the tile sees.
template <Pass P, int D>
__device__ void walk_keys(const AttentionParams& p, const Work& w, int kv_head, WarpRows<D>& rows, bf16* shared) {
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int keys = keys_of_tile(p, w), tiles = (keys + kPrefillKeys - 1) / kPrefillKeys;
  const int own = warp * kWarpKeys + lane % kWarpKeys;  // the key of each tile whose place this lane looks up
  const auto place_in = [&](int tile) { return key_place(p, w, kv_head, tile * kPrefillKeys + own, keys); };

  if (tiles > 0) fetch_tile<P, D>(p, Stage<D>(shared, 0), place_in(0), warp, lane);
  int64_t next = place_in(1);  // looked up a tile ahead: the page table is far away
  for (int tile = 0; tile < tiles; ++tile) {
    ptx::cp_async_wait<0>();
    __syncthreads();  // this tile is there for all, and nobody reads the other stage any more
    if (tile + 1 < tiles) fetch_tile<P, D>(p, Stage<D>(shared, tile + 1), next, warp, lane);
    next = place_in(tile + 2);
    const Stage<D> here(shared, tile);
    take_keys<P, D, kPrefillKeys>(rows, here.k, here.v, tile * kPrefillKeys, p.scale, lane);
  }
  __syncthreads();  // a second walk begins in these stages
  if constexpr (P != Pass::weigh) sum_lanes(rows);
}

template <int D>
__device__ void store_rows(const AttentionParams& p, const Work& w, int kv_head, const WarpRows<D>& rows,
                           const float (&factor)[2]) {
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  GPU_UNROLL
  for (int i = 0; i < 2; ++i) {
    const RowPlace at(p, w, warp * kWarpRows + lane / 4 + 8 * i);
    if (!at.real) continue;
    uint32_t* out = out_row(p, w, kv_head, at);
    GPU_UNROLL
    for (int d = 0; d < D / 8; ++d) {
      out[4 * d + lane % 4] = pair_of(rows.out[d][2 * i] * factor[i], rows.out[d][2 * i + 1] * factor[i]);
    }
  }
}

// ---- Kernel

/// Grid (tiles, kv heads). The last tile of a sequence sees most keys and comes first.
template <Rounding R, int D>
__global__ void __launch_bounds__(kThreads, 2) attention_kernel(AttentionParams p) {
  GPU_DYNAMIC_SHARED(bf16, shared);
  const Work w = work_of(p, static_cast<int>(gridDim.x - 1 - blockIdx.x));
  if (w.rows <= 0) return;
  const int kv_head = static_cast<int>(blockIdx.y), warp = static_cast<int>(threadIdx.x) / 32;
  WarpRows<D> rows(p, w, kv_head, warp * kWarpRows, static_cast<int>(threadIdx.x) % 32);
  if constexpr (R == Rounding::once) {
    walk_keys<Pass::online, D>(p, w, kv_head, rows, shared);
    store_rows<D>(p, w, kv_head, rows, rows.inverse);
  } else {
    const float one[2] = {1, 1};
    walk_keys<Pass::stats, D>(p, w, kv_head, rows, shared);
    walk_keys<Pass::weigh, D>(p, w, kv_head, rows, shared);
    store_rows<D>(p, w, kv_head, rows, one);
  }
}

// ---- Launch

void attention_prefill(const AttentionArgs& a, const cuda_plan::AttentionPlan& plan, Exec exec) {
  const AttentionParams p = attention_params(a, plan);
  const dim3 grid(static_cast<unsigned>(plan.tiles), static_cast<unsigned>(a.kv.kv_heads()));
  with_head_width(a.q.dim[2], [&](auto width) {
    constexpr int kWidth = decltype(width)::value;
    void (*kernel)(AttentionParams) = attention_kernel<Rounding::once, kWidth>;
    if (a.rounding == Rounding::hf) kernel = attention_kernel<Rounding::hf, kWidth>;
    allow_shared(kernel, plan.shared_bytes);
    GLMV_LAUNCH(kernel, grid, dim3(kThreads), plan.shared_bytes, exec, p);
  });
}

}  // namespace

AttentionParams attention_params(const AttentionArgs& a, const cuda_plan::AttentionPlan& plan) {
  AttentionParams p;
  p.q = static_cast<const uint32_t*>(a.q.data);
  p.out = static_cast<uint32_t*>(a.out.data);
  p.q_token = a.q.stride[0] / 2, p.q_head = a.q.stride[1] / 2;
  p.out_token = a.out.stride[0] / 2, p.out_head = a.out.stride[1] / 2;
  p.k = static_cast<const bf16*>(a.kv.k_pages.data);
  p.v = static_cast<const bf16*>(a.kv.v_pages.data);
  p.page_stride = a.kv.k_pages.stride[0], p.key_stride = a.kv.k_pages.stride[1];
  p.kv_head_stride = a.kv.k_pages.stride[2];
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
  const cuda_plan::AttentionPlan plan = cuda_plan::plan_attention(a, current_device());
  return plan.path == AttentionPath::naive ? naive::attention_scratch(a) : plan.scratch_bytes;
}

void attention(const AttentionArgs& a, Exec exec) {
  check(a);
  check_type("attention", a.out.dtype);
  const cuda_plan::AttentionPlan plan = cuda_plan::plan_attention(a, current_device());
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
