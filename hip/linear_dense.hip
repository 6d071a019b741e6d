// linear for many tokens: tiles of x times tiles of w by MFMA.
#include "hip/device.h"
#include "hip/linear.h"
#include "hip/matrix_tile.h"

namespace glmv::GLMV_BACKEND {
namespace {

using Large = Tile<hip_plan::kDenseLarge.tokens, hip_plan::kDenseLarge.features, 2, 4, bf16>;
using Medium = Tile<hip_plan::kDenseMedium.tokens, hip_plan::kDenseMedium.features, 2, 2, bf16>;
using Small = Tile<hip_plan::kDenseSmall.tokens, hip_plan::kDenseSmall.features, 2, 2, bf16>;
static_assert(sizeof(Large::Stage) == hip_plan::kDenseLarge.lds_bytes(), "the planner counts as the kernel does");

/// One block per tile of out.
template <class T>
__global__ void __launch_bounds__(T::kThreads, kWavesPerUnit)
    linear_dense_kernel(LinearOperands a, hip_plan::TileOrder order) {
  needs_mfma();
  GPU_SHARED(typename T::Stage, stage, );
  const hip_plan::TileOrder::Place place = order.at(static_cast<int>(blockIdx.x));
  const int token0 = place.row * T::kTokens, n0 = place.column * T::kFeatures;
  const auto x_row = [&](int r) { return token0 + r < a.tokens ? a.x + (token0 + r) * a.x_stride : nullptr; };
  const auto w_row = [&](int r) { return n0 + r < a.n ? a.w + (n0 + r) * a.w_stride : nullptr; };
  typename T::Sums sums = {};
  multiply_tile<T>(stage, x_row, w_row, {a.k}, sums);
  for_each_four<T>(sums, [&](int token, int feature, const float(&values)[4]) HIP_INLINE {
    if (token0 + token < a.tokens && n0 + feature < a.n) store_sums(a, token0 + token, n0 + feature, values);
  });
}

template <class T>
void launch(const LinearOperands& a, const hip_plan::LinearPlan& plan, Exec exec) {
  const hip_plan::TileOrder order = {(a.tokens + T::kTokens - 1) / T::kTokens, (a.n + T::kFeatures - 1) / T::kFeatures,
                                     current_device().dies};
  GLMV_LAUNCH(linear_dense_kernel<T>, dim3(static_cast<unsigned>(plan.blocks)), dim3(T::kThreads), 0, exec, a, order);
}

}  // namespace

void linear_dense(const LinearOperands& a, const hip_plan::LinearPlan& plan, Exec exec) {
  switch (plan.tile.tokens) {
    case Large::kTokens: return launch<Large>(a, plan, exec);
    case Medium::kTokens: return launch<Medium>(a, plan, exec);
    default: return launch<Small>(a, plan, exec);
  }
}

}  // namespace glmv::GLMV_BACKEND
