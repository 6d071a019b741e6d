// linear for many tokens on sm_90a: tensor loads fill a ring of stages, two warpgroups multiply out of it.
//
// A block has one tile of out. Each consumer owns 64 of its 128 rows and all of its columns, in registers; x and w both
// come K-major with the 128-byte swizzle, which is what wgmma reads, so no thread ever touches an operand.
#include "cuda/device.h"
#include "cuda/linear_tiles.h"
#include "cuda/ops.h"
#include "cuda/wgmma/ops.h"
#include "cuda/wgmma/pipeline.h"

namespace glmv::GLMV_BACKEND::wgmma {
namespace {

using cuda_plan::kWarpgroup;
using cuda_plan::kWgmmaDepth;
using cuda_plan::kWgmmaRows;

#if GLMV_HAS_SM90A

/// Sums plus bias, rounded once. `row`, `column`: of the consumer's part in out.
template <int Columns>
__device__ void store(const LinearOperands& a, int row, int column, const float (&sums)[Columns / 2]) {
  const int lane = threadIdx.x % kWarp, t0 = row + first_row_of_thread();
  GPU_UNROLL
  for (int block = 0; block < Columns / 8; ++block) {
    const int n = column + 8 * block + lane % 4 * 2;
    if (n >= a.n) continue;
    const float bias[2] = {bias_at(a, n), n + 1 < a.n ? bias_at(a, n + 1) : 0};
    GPU_UNROLL
    for (int half = 0; half < 2; ++half) {
      const float values[2] = {sums[4 * block + 2 * half] + bias[0], sums[4 * block + 2 * half + 1] + bias[1]};
      if (t0 + 8 * half < a.tokens) store_row(a, t0 + 8 * half, n, values);
    }
  }
}

#endif

/// One block per tile of out: warpgroup 0 loads, 1 and 2 multiply.
template <int Columns, int Stages>
__global__ void __launch_bounds__(cuda_plan::kWgmmaThreads, 1)
    linear_wgmma_kernel(const __grid_constant__ ptx::TensorMap x, const __grid_constant__ ptx::TensorMap w,
                        LinearOperands a, cuda_plan::TileOrder order, int steps) {
#if GLMV_HAS_SM90A
  GPU_DYNAMIC_SHARED(unsigned char, dynamic);
  GPU_SHARED(Ring<Stages>, ring, );
  auto* stages = aligned_boxes<Stage<Columns>>(dynamic);
  const cuda_plan::TileOrder::Place place = order.at(static_cast<int>(blockIdx.x));
  if (threadIdx.x == 0) ring.init(1, kReaders);
  __syncthreads();
  const int warpgroup = threadIdx.x / kWarpgroup;
  if (warpgroup == 0) {
    ptx::fewer_registers<40>();
    if (threadIdx.x == 0) {
      produce<Columns>(stages, ring, steps, [&](Stage<Columns>& stage, uint64_t* full, int step) {
        ptx::tensor_load_2d(stage.x, x, full, step * kWgmmaDepth, place.row * kWgmmaRows);
        ptx::tensor_load_2d(stage.w, w, full, step * kWgmmaDepth, place.column * Columns);
      });
    }
  } else {
    ptx::more_registers<232>();
    float sums[Columns / 2];
    const int row = 64 * (warpgroup - 1);
    consume<Columns>(sums, stages, ring, row, steps);
    store<Columns>(a, place.row * kWgmmaRows + row, place.column * Columns, sums);
  }
#else
  __trap();  // the backend is absent on such a device
#endif
}

template <int Columns, int Stages>
void launch(const LinearArgs& a, const cuda_plan::WgmmaLinearPlan& plan, Exec exec) {
  static_assert(sizeof(Stage<Columns>) == (kWgmmaRows + Columns) * kWgmmaDepth * 2, "the planner counts as we do");
  const ptx::TensorMap x = matrix_map("linear: x", a.x, kWgmmaRows), w = matrix_map("linear: w", a.w.data, Columns);
  const LinearOperands operands = operands_of(a, plan.wide_stores);
  const cuda_plan::TileOrder order = {(operands.tokens + kWgmmaRows - 1) / kWgmmaRows,
                                      (operands.n + Columns - 1) / Columns};
  allow_shared(linear_wgmma_kernel<Columns, Stages>, plan.shared_bytes);
  GLMV_LAUNCH((linear_wgmma_kernel<Columns, Stages>), dim3(static_cast<unsigned>(plan.blocks)),
              dim3(cuda_plan::kWgmmaThreads), plan.shared_bytes, exec, x, w, operands, order, plan.steps);
}

}  // namespace

size_t linear_scratch(const LinearArgs& a) { return GLMV_BACKEND::linear_scratch(a); }

void linear(const LinearArgs& a, Exec exec) {
  check(a);
  const cuda_plan::WgmmaLinearPlan plan = cuda_plan::plan_linear_wgmma(a, current_device());
  if (plan.rule != nullptr) return GLMV_BACKEND::linear(a, exec);
  constexpr cuda_plan::Tile large = cuda_plan::kWgmmaLarge, small = cuda_plan::kWgmmaSmall;
  if (plan.tile.columns == large.columns)
    launch<large.columns, large.stages>(a, plan, exec);
  else
    launch<small.columns, small.stages>(a, plan, exec);
}

}  // namespace glmv::GLMV_BACKEND::wgmma
