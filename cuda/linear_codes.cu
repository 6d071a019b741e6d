// linear with FP8 weights. Activations stay bf16: codes are widened, exactly, on their way to the products, and a row's
// scale multiplies its sums. So weights cost half the bytes of bf16 and nothing is lost.
//
//   up to 4 tokens   a warp per two rows of w, 8 codes per load and lane; w is read once, x comes from the cache
//   more             the tiles of the grouped experts (moe_tile.h), with one expert
#include "cuda/linear_codes.h"

#include "cuda/device.h"
#include "cuda/moe_tile.h"
#include "gpu/vectors.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kRowsPerWarp = 2;
constexpr int kWarps = cuda_plan::kLinearThreads / kLanes;
constexpr int kSpan = 8 * kLanes;  // columns that a warp takes with one load per lane
static_assert(kWarps * kRowsPerWarp == cuda_plan::kGemvRows, "the planner counts as the kernel does");

// ---- Shared memory: the stages of the tile (dynamic)

// ---- Device helpers

struct CodeOperands {
  const bf16* x;
  const f8e4m3* w;
  int64_t x_stride, w_stride;
  ConstTensorView scale, bias;
  TensorView out;
  int tokens, n, k;
};

/// out[t, n] for its sum over the codes.
__device__ float finished(const CodeOperands& a, int n, float sum) {
  const float scaled = sum * static_cast<const float*>(a.scale.data)[n * a.scale.stride[0]];
  return a.bias.data == nullptr ? scaled : scaled + get(a.bias, n);
}

// ---- Kernels

/// A warp per two rows of w; the last pair of an odd N takes its row twice.
template <int Tokens>
__global__ void __launch_bounds__(cuda_plan::kLinearThreads) linear_codes_few_kernel(CodeOperands a) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int n = (static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kLanes) * kRowsPerWarp;
  if (n >= a.n) return;  // the whole warp, and there are no barriers
  const f8e4m3* const w[kRowsPerWarp] = {a.w + n * a.w_stride, a.w + min(n + 1, a.n - 1) * a.w_stride};
  float sums[kRowsPerWarp][Tokens] = {};
  for (int k = 8 * lane; k < a.k; k += kSpan) {
    float weights[kRowsPerWarp][8];
    GPU_UNROLL
    for (int row = 0; row < kRowsPerWarp; ++row) load_eight(w[row] + k, weights[row]);
    GPU_UNROLL
    for (int t = 0; t < Tokens; ++t) {
      float x[8];
      load_eight(a.x + t * a.x_stride + k, x);
      GPU_UNROLL
      for (int row = 0; row < kRowsPerWarp; ++row) sums[row][t] = add_product(weights[row], x, sums[row][t]);
    }
  }
  GPU_UNROLL
  for (int row = 0; row < kRowsPerWarp; ++row) {
    GPU_UNROLL
    for (int t = 0; t < Tokens; ++t) {
      const float sum = warp_sum(sums[row][t]);
      if (lane == 0 && n + row < a.n) set(a.out, finished(a, n + row, sum), t, n + row);
    }
  }
}

/// A block per tile of tokens (y) and columns of out (x).
template <class T>
__global__ void __launch_bounds__(T::kThreads) linear_codes_tiles_kernel(CodeOperands a, bool pairs) {
  GPU_DYNAMIC_SHARED(typename T::Stage, stages);
  const int first_token = static_cast<int>(blockIdx.y) * T::kRows, first = static_cast<int>(blockIdx.x) * T::kColumns;
  const auto x_row = [&](int r) { return first_token + r < a.tokens ? a.x + (first_token + r) * a.x_stride : nullptr; };
  const auto w_row = [&](int r) { return first + r < a.n ? a.w + (first + r) * a.w_stride : nullptr; };
  typename T::Sums sums = {};
  multiply_tile<T>(stages, x_row, w_row, {a.k}, a.x, sums);
  for_each_pair<T>(sums, [&](int row, int column, float x, float y) {
    const int t = first_token + row, n = first + column;
    if (t >= a.tokens || n >= a.n) return;
    if (!pairs) {
      set(a.out, finished(a, n, x), t, n);
      if (n + 1 < a.n) set(a.out, finished(a, n + 1, y), t, n + 1);
      return;
    }
    const float values[2] = {finished(a, n, x), finished(a, n + 1, y)};
    const int64_t at = t * a.out.stride[0] + n;
    a.out.dtype == DType::bf16 ? store_values(static_cast<bf16*>(a.out.data) + at, values)
                               : store_values(static_cast<float*>(a.out.data) + at, values);
  });
}

// ---- Launch

CodeOperands operands_of(const LinearArgs& a) {
  return {static_cast<const bf16*>(a.x.data),
          static_cast<const f8e4m3*>(a.w.data.data),
          a.x.stride[0],
          a.w.data.stride[0],
          a.w.scale,
          a.bias,
          a.out,
          static_cast<int>(a.x.dim[0]),
          static_cast<int>(a.w.rows()),
          static_cast<int>(a.x.dim[1])};
}

template <int Tokens>
void launch_few(const LinearArgs& a, const cuda_plan::LinearPlan& plan, Exec exec) {
  GLMV_LAUNCH(linear_codes_few_kernel<Tokens>, dim3(static_cast<unsigned>(plan.blocks)),
              dim3(cuda_plan::kLinearThreads), 0, exec, operands_of(a));
}

template <class T>
void launch_tiles(const LinearArgs& a, const cuda_plan::LinearPlan& plan, Exec exec) {
  const gpu_plan::Blocks blocks = {cuda_plan::ceil_div(a.w.rows(), T::kColumns), plan.blocks};
  const auto linear_codes_tiles = linear_codes_tiles_kernel<T>;
  GLMV_LAUNCH_TILES(T, linear_codes_tiles, blocks, exec, operands_of(a), plan.wide_stores);
}

}  // namespace

void linear_codes_few(const LinearArgs& a, const cuda_plan::LinearPlan& plan, Exec exec) {
  switch (a.x.dim[0]) {
    case 1: return launch_few<1>(a, plan, exec);
    case 2: return launch_few<2>(a, plan, exec);
    case 3: return launch_few<3>(a, plan, exec);
    default: return launch_few<4>(a, plan, exec);
  }
}

void linear_codes_tiles(const LinearArgs& a, const cuda_plan::LinearPlan& plan, Exec exec) {
  switch (plan.tile.rows) {
    case FewRows<f8e4m3>::kRows: return launch_tiles<FewRows<f8e4m3>>(a, plan, exec);
    case SomeRows<f8e4m3>::kRows: return launch_tiles<SomeRows<f8e4m3>>(a, plan, exec);
    default: return launch_tiles<ManyRows<f8e4m3>>(a, plan, exec);
  }
}

}  // namespace glmv::GLMV_BACKEND
