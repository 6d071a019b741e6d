// Prefill and vision attention: 64 or 128 rows of one kv head against 32 keys at a time. The query heads of a kv group
// are rows of one tile, so keys and values are fetched once for all of them, and tiles of one kv head are neighbours in
// the grid. With 128 rows keys and values are read from shared memory half as often per product; short prompts have too
// few of them to fill the device. Neither has been timed on a device yet.
#include "reference/attention.h"

#include "cuda/attention_tile.h"
#include "cuda/ops.h"
#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND {
namespace {

using namespace attention_tile;
using cuda_plan::AttentionPath;
using cuda_plan::kPrefillKeys;
using cuda_plan::kPrefillRows;
using cuda_plan::kPrefillStages;

static_assert(kPrefillRows == kWarps * kWarpRows, "each warp has one or two mma tiles of rows");
static_assert(2 * kPrefillKeys == kWarps * kWarpKeys, "half of the warps fetch keys, half values");
static_assert(kPrefillStages == 2, "one stage is worked on while the next one comes");

// ---- Shared memory: the queries; then per stage 32 keys and 32 values

template <int D, int Blocks>
struct Shared {
  static constexpr int kStage = kPrefillKeys * row_elements(D);  // elements, of keys or of values
  bf16* queries;

  __device__ bf16* keys(int stage) const {
    return queries + kPrefillRows * Blocks * row_elements(D) + stage % kPrefillStages * 2 * kStage;
  }
  __device__ bf16* values(int stage) const { return keys(stage) + kStage; }
};

// ---- Device helpers

/// Starts this warp's quarter of a stage; `place` as fetch_rows wants it.
template <Pass P, int D, int Blocks>
__device__ void fetch_stage(const AttentionParams& p, const Shared<D, Blocks>& shared, int stage, int place, int warp,
                            int lane) {
  const int half = warp % 2 * kWarpKeys * row_elements(D);
  if (warp < 2) fetch_rows<D>(shared.keys(stage) + half, p.k, place, lane);
  if (warp >= 2 && P != Pass::stats) fetch_rows<D>(shared.values(stage) + half, p.v, place, lane);
  ptx::cp_async_commit();
}

/// One walk over all keys that the tile sees.
template <Pass P, int D, int Blocks>
__device__ void walk_keys(const AttentionParams& p, const Work& w, int kv_head, WarpRows<D, Blocks>& rows,
                          const Shared<D, Blocks>& shared, int warp, int lane) {
  const int keys = keys_of_tile(p, w), stages = (keys + kPrefillKeys - 1) / kPrefillKeys;
  const int own = warp % 2 * kWarpKeys + lane % kWarpKeys;  // the key of each stage whose place this lane looks up
  const auto place_in = [&](int stage) { return key_place(p, w, kv_head, stage * kPrefillKeys + own, keys); };

  if (stages > 0) fetch_stage<P>(p, shared, 0, place_in(0), warp, lane);
  int next = place_in(1);  // looked up a stage ahead: the page table is far away
  for (int stage = 0; stage < stages; ++stage) {
    ptx::cp_async_wait<0>();
    __syncthreads();  // this stage is there for all, and nobody reads the other one any more
    if (stage + 1 < stages) fetch_stage<P>(p, shared, stage + 1, next, warp, lane);
    next = place_in(stage + 2);
    take_keys<P, kPrefillKeys>(rows, shared.keys(stage), shared.values(stage), stage * kPrefillKeys, p.scale, lane);
  }
  __syncthreads();  // a second walk begins in these stages
  if constexpr (P != Pass::weigh) sum_lanes(rows);
}

/// Two neighbouring columns per lane; `divide`: by the sum of the probabilities.
template <int D>
__device__ void store_block(const AttentionParams& p, const Work& w, int kv_head, const RowBlock<D>& rows,
                            int first_row, bool divide, int lane) {
  GPU_UNROLL
  for (int i = 0; i < 2; ++i) {
    const RowPlace at(p, w, first_row + lane / 4 + 8 * i);
    if (!at.real) continue;
    const float factor = divide ? rows.inverse[i] : 1.0f;
    uint32_t* out = out_row(p, w, kv_head, at);
    GPU_UNROLL
    for (int d = 0; d < D / 8; ++d) {
      out[4 * d + lane % 4] = pair_of(rows.out[d][2 * i] * factor, rows.out[d][2 * i + 1] * factor);
    }
  }
}

// ---- Kernel

/// Grid (tiles, kv heads). The last tile of a sequence sees most keys and comes first.
template <Rounding R, int D, int Blocks>
__global__ void __launch_bounds__(kThreads, 2) attention_kernel(AttentionParams p) {
  GPU_DYNAMIC_SHARED(bf16, memory);
  const Shared<D, Blocks> shared{memory};
  const int tile = static_cast<int>(gridDim.x - 1 - blockIdx.x);
  const Work w = work_of(p, tile);
  if (w.rows <= 0) return;
  const int kv_head = static_cast<int>(blockIdx.y);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int first_row = warp * Blocks * kWarpRows;
  load_queries<D>(shared.queries, p, w, kv_head, kPrefillRows * Blocks, warp, lane);  // the walk has the barrier
  WarpRows<D, Blocks> rows(p, w, first_row, shared.queries);
  if constexpr (R == Rounding::once) {
    walk_keys<Pass::online>(p, w, kv_head, rows, shared, warp, lane);
  } else {
    walk_keys<Pass::stats>(p, w, kv_head, rows, shared, warp, lane);
    walk_keys<Pass::weigh>(p, w, kv_head, rows, shared, warp, lane);
  }
  const Work again = work_of(p, tile);  // registers are short: it need not live through the walk
  GPU_UNROLL
  for (int b = 0; b < Blocks; ++b) {
    store_block<D>(p, again, kv_head, rows.block[b], first_row + b * kWarpRows, R == Rounding::once, lane);
  }
}

// ---- Launch

void attention_prefill(const AttentionArgs& a, const cuda_plan::AttentionPlan& plan, Exec exec) {
  const AttentionParams p = attention_params(a, plan);
  const dim3 grid(static_cast<unsigned>(plan.tiles), static_cast<unsigned>(a.kv.kv_heads()));
  with_head_width(a.q.dim[2], [&](auto width) {
    constexpr int kWidth = decltype(width)::value;
    const bool large = plan.row_blocks == 2;
    auto* kernel = large ? attention_kernel<Rounding::once, kWidth, 2> : attention_kernel<Rounding::once, kWidth, 1>;
    if (a.rounding == Rounding::hf) {
      kernel = large ? attention_kernel<Rounding::hf, kWidth, 2> : attention_kernel<Rounding::hf, kWidth, 1>;
    }
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
