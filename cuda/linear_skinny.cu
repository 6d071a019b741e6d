// linear for 2 to 64 tokens: the time is that of reading w, so every byte of w is read once, by 16-byte copies that run
// several stages ahead.
//
// Weights are the M operand of the mma and tokens the N operand: 16 rows of w fill an mma whatever the number of
// tokens. Four warps with 16 or 32 weight rows each share the tile of tokens. Row r of a warp's mma is weight row 2 r
// for r < 8, else 2 (r - 8) + 1: a thread, which holds rows g and g + 8, so has two neighbours of a row of out.
//
// Where N gives too few blocks, blockIdx.y cuts K into slices. Each writes its f32 sums to scratch [splits, T, N], and
// a second kernel adds them slice by slice: the same order in every run.
#include "cuda/device.h"
#include "cuda/linear.h"

namespace glmv::GLMV_BACKEND {
namespace {

/// Shapes of a block's work, all in elements.
template <int Tokens>
struct Skinny {
  static constexpr cuda_plan::Tile kTile = cuda_plan::skinny_tile(Tokens);
  static constexpr int kRows = kTile.rows, kDepth = kTile.depth, kStages = kTile.stages;
  static constexpr int kChunks = kDepth / 8;
  static constexpr int kBlocks = Tokens / 8;  // mma along the tokens
  static constexpr int kWarpRows = kRows / (cuda_plan::kLinearThreads / kWarp);
  static constexpr int kFragments = kWarpRows / 16;  // mma along a warp's weight rows

  static_assert(kWarpRows % 16 == 0, "whole mma");
  static_assert(kChunks == 8, "what the swizzle of the weights knows");

  // Shared memory: kStages times [kRows][kDepth] of w and [Tokens][kDepth] of x, chunks swizzled.
  struct Stage {
    bf16 w[kRows * kDepth], x[Tokens * kDepth];
  };
  static_assert(kStages * sizeof(Stage) == kTile.shared_bytes(), "the planner counts as the kernel does");
  using Sums = float[kFragments][kBlocks][4];
};

/// The 16 x 16 of w that starts at `row` and at column 16 `step` of the stage, rows dealt out as above.
template <class S>
__device__ void load_w(const typename S::Stage& stage, int row, int step, uint32_t (&a)[4]) {
  const int lane = threadIdx.x % kWarp, r = row + 2 * (lane % 8) + lane / 8 % 2;
  ptx::ldmatrix_x4(a, stage.w + cuda_plan::chunk_place<cuda_plan::EverySecond, S::kChunks>(r, 2 * step + lane / 16));
}

/// The 16 x 8 of x^T of the tokens 8 block .. 8 block + 7.
template <class S>
__device__ void load_x(const typename S::Stage& stage, int block, int step, uint32_t (&b)[2]) {
  const int lane = threadIdx.x % kWarp;
  ptx::ldmatrix_x2(b, stage.x + cuda_plan::chunk_place<cuda_plan::Neighbours, S::kChunks>(8 * block + lane % 8,
                                                                                          2 * step + lane / 8 % 2));
}

template <class S>
__device__ void multiply(const typename S::Stage& stage, int row, typename S::Sums& sums) {
  GPU_UNROLL
  for (int step = 0; step < S::kChunks / 2; ++step) {
    uint32_t a[S::kFragments][4];
    GPU_UNROLL
    for (int i = 0; i < S::kFragments; ++i) load_w<S>(stage, row + 16 * i, step, a[i]);
    GPU_UNROLL
    for (int block = 0; block < S::kBlocks; ++block) {
      uint32_t b[2];
      load_x<S>(stage, block, step, b);
      GPU_UNROLL
      for (int i = 0; i < S::kFragments; ++i) ptx::mma_m16n8k16_bf16(sums[i][block], a[i], b, sums[i][block]);
    }
  }
}

/// f(token, n, sums of n and n + 1) for the pairs of out that a thread holds, `row` being the warp's first weight row.
template <class S, class F>
__device__ void for_each_pair(int row, const typename S::Sums& sums, F f) {
  const int lane = threadIdx.x % kWarp;
  GPU_UNROLL
  for (int i = 0; i < S::kFragments; ++i) {
    GPU_UNROLL
    for (int block = 0; block < S::kBlocks; ++block) {
      GPU_UNROLL
      for (int odd = 0; odd < 2; ++odd) {
        const float pair[2] = {sums[i][block][odd], sums[i][block][2 + odd]};
        f(8 * block + 2 * (lane % 4) + odd, row + 16 * i + 2 * (lane / 4), pair);
      }
    }
  }
}

/// Block (rows of w, slice of K). `partial`: f32 [splits, T, N], or null for one that has all of K.
template <int Tokens>
__global__ void __launch_bounds__(cuda_plan::kLinearThreads)
    linear_skinny_kernel(LinearOperands a, int steps_per_split, float* partial) {
  using S = Skinny<Tokens>;
  GPU_DYNAMIC_SHARED(typename S::Stage, stages);
  const int row0 = static_cast<int>(blockIdx.x) * S::kRows, row = threadIdx.x / kWarp * S::kWarpRows;
  const int k0 = static_cast<int>(blockIdx.y) * steps_per_split * S::kDepth;
  const int steps = min((a.k - k0 + S::kDepth - 1) / S::kDepth, steps_per_split);
  const TileLoader<cuda_plan::EverySecond, S::kRows, S::kChunks> w(a.w, a.w_stride, row0, a.n, a.k);
  const TileLoader<cuda_plan::Neighbours, Tokens, S::kChunks> x(a.x, a.x_stride, 0, a.tokens, a.k);
  typename S::Sums sums = {};
  run_pipeline<S::kStages>(
      steps,
      [&](int step) {
        w.start(stages[step % S::kStages].w, k0 + step * S::kDepth);
        x.start(stages[step % S::kStages].x, k0 + step * S::kDepth);
      },
      [&](int step) { multiply<S>(stages[step % S::kStages], row, sums); });
  for_each_pair<S>(row0 + row, sums, [&](int t, int n, const float(&pair)[2]) {
    if (t >= a.tokens || n >= a.n) return;
    if (partial == nullptr) {
      const float values[2] = {pair[0] + bias_at(a, n), pair[1] + (n + 1 < a.n ? bias_at(a, n + 1) : 0)};
      return store_row(a, t, n, values);
    }
    float* to = partial + (static_cast<int64_t>(blockIdx.y) * a.tokens + t) * a.n + n;
    if (a.n % 2 == 0) return store_values(to, pair);
    to[0] = pair[0];
    if (n + 1 < a.n) to[1] = pair[1];
  });
}

/// One thread per element of out: block (columns, token).
__global__ void __launch_bounds__(kPlainThreads) linear_sum_kernel(LinearOperands a, const float* partial, int splits) {
  const int n = static_cast<int>(blockIdx.x) * kPlainThreads + static_cast<int>(threadIdx.x);
  if (n >= a.n) return;
  const int64_t slice = static_cast<int64_t>(a.tokens) * a.n, at = static_cast<int64_t>(blockIdx.y) * a.n + n;
  float sum = partial[at];
  for (int split = 1; split < splits; ++split) sum += partial[split * slice + at];
  const float values[1] = {sum + bias_at(a, n)};
  store_row(a, static_cast<int>(blockIdx.y), n, values);
}

template <int Tokens>
void launch(const LinearOperands& a, const cuda_plan::LinearPlan& plan, Exec exec) {
  allow_shared(linear_skinny_kernel<Tokens>, plan.shared_bytes);
  float* partial = plan.splits > 1 ? static_cast<float*>(exec.scratch.data) : nullptr;
  const dim3 grid(static_cast<unsigned>(plan.blocks), static_cast<unsigned>(plan.splits));
  GLMV_LAUNCH(linear_skinny_kernel<Tokens>, grid, dim3(cuda_plan::kLinearThreads), plan.shared_bytes, exec, a,
              plan.steps_per_split, partial);
}

}  // namespace

void linear_skinny(const LinearOperands& a, const cuda_plan::LinearPlan& plan, Exec exec) {
  switch (plan.tile.columns) {
    case 8: launch<8>(a, plan, exec); break;
    case 16: launch<16>(a, plan, exec); break;
    case 32: launch<32>(a, plan, exec); break;
    default: launch<64>(a, plan, exec); break;
  }
  if (plan.splits == 1) return;
  const dim3 grid(blocks_for(a.n), static_cast<unsigned>(a.tokens));
  GLMV_LAUNCH(linear_sum_kernel, grid, dim3(kPlainThreads), 0, exec, a, static_cast<const float*>(exec.scratch.data),
              plan.splits);
}

}  // namespace glmv::GLMV_BACKEND
