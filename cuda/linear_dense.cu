// linear for many tokens: tiles of x times tiles of w by mma.sync, fed by a cp.async pipeline.
//
// Four warps, two by two, each with a quarter of the tile of out. A warp's quarter is cut along its columns into
// groups of 32, four mma wide. Which column of w is which column of an mma is free to choose, since ldmatrix takes any
// eight rows; they are dealt out so that the four mma of a group leave eight neighbours of a row of out in one thread:
//
//   column c of mma j is column 8 (c / 2) + 2 j + c % 2 of the group;  thread t of a quad holds c = 2t and 2t + 1 of
//   j = 0..3, which are the columns 8t .. 8t + 7
//
// so results go from registers to memory 16 bytes at a time, and nothing is exchanged.
#include "cuda/device.h"
#include "cuda/linear.h"

namespace glmv::GLMV_BACKEND {
namespace {

/// Shapes of a block's work, all in elements.
template <int Rows, int Columns, int Depth, int Stages>
struct Dense {
  static constexpr cuda_plan::Tile kTile = {Rows, Columns, Depth, Stages};
  static constexpr int kChunks = Depth / 8;
  static constexpr int kWarpRows = Rows / 2, kWarpColumns = Columns / 2;
  static constexpr int kFragments = kWarpRows / 16;  // mma along the rows of a warp
  static constexpr int kGroups = kWarpColumns / 32;  // groups of four mma along its columns

  static_assert(cuda_plan::kLinearThreads == 4 * kWarp, "two by two warps");
  static_assert(kWarpRows % 16 == 0 && kWarpColumns % 32 == 0, "whole mma and whole groups");
  static_assert(kChunks == 4 || kChunks == 8, "what the swizzle knows");
  static_assert(Stages >= 2 && kTile.shared_bytes() % 128 == 0, "a pipeline");

  // Shared memory: `Stages` times [Rows][Depth] of x and [Columns][Depth] of w, chunks swizzled.
  struct Stage {
    bf16 x[Rows * Depth], w[Columns * Depth];
  };
  static_assert(Stages * sizeof(Stage) == kTile.shared_bytes(), "the planner counts as the kernel does");
  using Sums = float[kFragments][kGroups][4][4];
};

/// The 16 x 16 of x that starts at `row` and at column 16 `step` of the stage.
template <class D>
__device__ void load_x(const typename D::Stage& stage, int row, int step, uint32_t (&a)[4]) {
  const int lane = threadIdx.x % kWarp;
  ptx::ldmatrix_x4(
      a, stage.x + cuda_plan::chunk_place<cuda_plan::Neighbours, D::kChunks>(row + lane % 16, 2 * step + lane / 16));
}

/// The four 16 x 8 of w^T of a group of 32 columns that starts at `column`.
template <class D>
__device__ void load_w(const typename D::Stage& stage, int column, int step, uint32_t (&b)[4][2]) {
  const int lane = threadIdx.x % kWarp, c = lane % 8, half = lane / 8 % 2;
  GPU_UNROLL
  for (int pair = 0; pair < 2; ++pair) {
    const int j = 2 * pair + lane / 16, row = column + 8 * (c / 2) + 2 * j + c % 2;
    uint32_t words[4];
    ptx::ldmatrix_x4(words, stage.w + cuda_plan::chunk_place<cuda_plan::Pairs, D::kChunks>(row, 2 * step + half));
    b[2 * pair][0] = words[0], b[2 * pair][1] = words[1];
    b[2 * pair + 1][0] = words[2], b[2 * pair + 1][1] = words[3];
  }
}

/// Adds a stage's products to a warp's sums.
template <class D>
__device__ void multiply(const typename D::Stage& stage, int row, int column, typename D::Sums& sums) {
  GPU_UNROLL
  for (int step = 0; step < D::kChunks / 2; ++step) {
    uint32_t a[D::kFragments][4];
    GPU_UNROLL
    for (int i = 0; i < D::kFragments; ++i) load_x<D>(stage, row + 16 * i, step, a[i]);
    GPU_UNROLL
    for (int group = 0; group < D::kGroups; ++group) {
      uint32_t b[4][2];
      load_w<D>(stage, column + 32 * group, step, b);
      GPU_UNROLL
      for (int i = 0; i < D::kFragments; ++i) {
        GPU_UNROLL
        for (int j = 0; j < 4; ++j) ptx::mma_m16n8k16_bf16(sums[i][group][j], a[i], b[j], sums[i][group][j]);
      }
    }
  }
}

/// Sums plus bias, rounded once. `row` and `column`: of the warp's quarter in out.
template <class D>
__device__ void store(const LinearOperands& a, int row, int column, const typename D::Sums& sums) {
  const int lane = threadIdx.x % kWarp;
  GPU_UNROLL
  for (int group = 0; group < D::kGroups; ++group) {
    const int n = column + 32 * group + 8 * (lane % 4);
    float bias[8];
    GPU_UNROLL
    for (int i = 0; i < 8; ++i) bias[i] = n + i < a.n ? bias_at(a, n + i) : 0;
    GPU_UNROLL
    for (int half = 0; half < 2 * D::kFragments; ++half) {
      const int t = row + 8 * half + lane / 4;
      float values[8];
      GPU_UNROLL
      for (int i = 0; i < 8; ++i) values[i] = sums[half / 2][group][i / 2][2 * (half % 2) + i % 2] + bias[i];
      if (t < a.tokens && n < a.n) store_row(a, t, n, values);
    }
  }
}

/// One block per tile of out.
template <int Rows, int Columns, int Depth, int Stages>
__global__ void __launch_bounds__(cuda_plan::kLinearThreads, 2)
    linear_dense_kernel(LinearOperands a, cuda_plan::TileOrder order, int steps) {
  using D = Dense<Rows, Columns, Depth, Stages>;
  GPU_DYNAMIC_SHARED(typename D::Stage, stages);
  const cuda_plan::TileOrder::Place place = order.at(static_cast<int>(blockIdx.x));
  const int row0 = place.row * Rows, column0 = place.column * Columns;
  const int warp = threadIdx.x / kWarp, row = warp / 2 * D::kWarpRows, column = warp % 2 * D::kWarpColumns;
  const TileLoader<cuda_plan::Neighbours, Rows, D::kChunks> x(a.x, a.x_stride, row0, a.tokens, a.k);
  const TileLoader<cuda_plan::Pairs, Columns, D::kChunks> w(a.w, a.w_stride, column0, a.n, a.k);
  typename D::Sums sums = {};
  run_pipeline<Stages>(
      steps,
      [&](int step) {
        x.start(stages[step % Stages].x, step * Depth);
        w.start(stages[step % Stages].w, step * Depth);
      },
      [&](int step) { multiply<D>(stages[step % Stages], row, column, sums); });
  store<D>(a, row0 + row, column0 + column, sums);
}

template <int Rows, int Columns, int Depth, int Stages>
void launch(const LinearOperands& a, const cuda_plan::LinearPlan& plan, Exec exec) {
  const cuda_plan::TileOrder order = {(a.tokens + Rows - 1) / Rows, (a.n + Columns - 1) / Columns};
  allow_shared(linear_dense_kernel<Rows, Columns, Depth, Stages>, plan.shared_bytes);
  GLMV_LAUNCH((linear_dense_kernel<Rows, Columns, Depth, Stages>), dim3(static_cast<unsigned>(plan.blocks)),
              dim3(cuda_plan::kLinearThreads), plan.shared_bytes, exec, a, order, plan.steps_per_split);
}

}  // namespace

void linear_dense(const LinearOperands& a, const cuda_plan::LinearPlan& plan, Exec exec) {
  constexpr cuda_plan::Tile large = cuda_plan::kDenseLarge, small = cuda_plan::kDenseSmall;
  if (plan.tile.rows == large.rows)
    launch<large.rows, large.columns, large.depth, large.stages>(a, plan, exec);
  else
    launch<small.rows, small.columns, small.depth, small.stages>(a, plan, exec);
}

}  // namespace glmv::GLMV_BACKEND
