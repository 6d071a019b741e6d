// linear for one token: a warp per two rows of w, 16 bytes per load, sums in f32. Reads w once; x comes from the cache.
#include "cuda/linear.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kRowsPerWarp = 2;
constexpr int kWarps = cuda_plan::kLinearThreads / kWarp;
constexpr int kSpan = 8 * kWarp;  // elements that a warp takes with one load per lane
constexpr int kAhead = 4;         // loads per lane and row that are in flight: 4 KiB of weights per warp
static_assert(kWarps * kRowsPerWarp == cuda_plan::kGemvRows, "the planner counts as the kernel does");

/// Eight products, added to sum.
__device__ float add_products(const uint32_t (&w)[4], const uint32_t (&x)[4], float sum) {
  GPU_UNROLL
  for (int i = 0; i < 4; ++i) {
    sum = fmaf(low_bf16(w[i]), low_bf16(x[i]), sum);
    sum = fmaf(high_bf16(w[i]), high_bf16(x[i]), sum);
  }
  return sum;
}

/// `Count` spans of both rows from column k on: all loads first, then the products.
template <int Count>
__device__ void add_spans(const bf16* x, const bf16* const (&w)[kRowsPerWarp], int k, float (&sums)[kRowsPerWarp]) {
  uint32_t x_words[Count][4], w_words[Count][kRowsPerWarp][4];
  GPU_UNROLL
  for (int i = 0; i < Count; ++i) {
    GPU_UNROLL
    for (int row = 0; row < kRowsPerWarp; ++row) load_once(w[row] + k + i * kSpan, w_words[i][row]);
    load_words(x + k + i * kSpan, x_words[i]);
  }
  GPU_UNROLL
  for (int i = 0; i < Count; ++i) {
    GPU_UNROLL
    for (int row = 0; row < kRowsPerWarp; ++row) sums[row] = add_products(w_words[i][row], x_words[i], sums[row]);
  }
}

__device__ float warp_total(float x) {
  GPU_UNROLL
  for (int distance = kWarp / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(kAllLanes, x, distance);
  return x;
}

/// The last pair of an odd N takes its row twice.
__global__ void __launch_bounds__(cuda_plan::kLinearThreads) linear_gemv_kernel(LinearOperands a) {
  const int warp = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarp;
  const int n = warp * kRowsPerWarp, lane = threadIdx.x % kWarp;
  if (n >= a.n) return;  // the whole warp, and there are no barriers
  const bf16* const w[kRowsPerWarp] = {a.w + n * a.w_stride, a.w + min(n + 1, a.n - 1) * a.w_stride};
  float sums[kRowsPerWarp] = {};
  int k = 8 * lane;
  for (; k + (kAhead - 1) * kSpan < a.k; k += kAhead * kSpan) add_spans<kAhead>(a.x, w, k, sums);
  for (; k < a.k; k += kSpan) add_spans<1>(a.x, w, k, sums);
  const float totals[kRowsPerWarp] = {warp_total(sums[0]), warp_total(sums[1])};
  if (lane != 0) return;
  const float values[kRowsPerWarp] = {totals[0] + bias_at(a, n), totals[1] + (n + 1 < a.n ? bias_at(a, n + 1) : 0)};
  store_row(a, 0, n, values);
}

}  // namespace

void linear_gemv(const LinearOperands& a, const cuda_plan::LinearPlan& plan, Exec exec) {
  GLMV_LAUNCH(linear_gemv_kernel, dim3(static_cast<unsigned>(plan.blocks)), dim3(cuda_plan::kLinearThreads), 0, exec,
              a);
}

}  // namespace glmv::GLMV_BACKEND
