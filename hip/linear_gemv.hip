// linear for one token: a wave per two rows of w, 16 bytes per load, sums in f32. Reads w once; x comes from the cache.
#include "hip/linear.h"
#include "hip/waves.h"

namespace glmv::GLMV_BACKEND {
namespace {

using hip_plan::kGemvRows;
using hip_plan::kGemvWaves;
constexpr int kAhead = 4;  // loads per lane and row that are in flight: 8 KiB of weights per wave of 64

/// Eight products, added to sum.
__device__ float add_products(const uint32_t (&w)[4], const uint32_t (&x)[4], float sum) {
  GPU_UNROLL
  for (int i = 0; i < 4; ++i) {
    sum = fmaf(low_bf16(w[i]), low_bf16(x[i]), sum);
    sum = fmaf(high_bf16(w[i]), high_bf16(x[i]), sum);
  }
  return sum;
}

/// `Count` loads of both rows from column k on, `span` apart: all loads first, then the products.
template <int Count>
__device__ void add_spans(const bf16* x, const bf16* const (&w)[kGemvRows], int k, int span, float (&sums)[kGemvRows]) {
  uint32_t x_words[Count][4], w_words[Count][kGemvRows][4];
  GPU_UNROLL
  for (int i = 0; i < Count; ++i) {
    GPU_UNROLL
    for (int row = 0; row < kGemvRows; ++row) load_once(w[row] + k + i * span, w_words[i][row]);
    load_words(x + k + i * span, x_words[i]);
  }
  GPU_UNROLL
  for (int i = 0; i < Count; ++i) {
    GPU_UNROLL
    for (int row = 0; row < kGemvRows; ++row) sums[row] = add_products(w_words[i][row], x_words[i], sums[row]);
  }
}

/// The last pair of an odd N takes its row twice.
template <int Lanes>
__global__ void __launch_bounds__(kGemvWaves* Lanes) linear_gemv_kernel(LinearOperands a) {
  needs_wave<Lanes>();
  const int n = (static_cast<int>(blockIdx.x) * kGemvWaves + wave_number<Lanes>()) * kGemvRows;
  if (n >= a.n) return;  // the whole wave, and there are no barriers
  const bf16* const w[kGemvRows] = {a.w + n * a.w_stride, a.w + min(n + 1, a.n - 1) * a.w_stride};
  constexpr int kSpan = 8 * Lanes;  // elements that a wave takes with one load per lane
  float sums[kGemvRows] = {};
  int k = 8 * lane_number<Lanes>();
  for (; k + (kAhead - 1) * kSpan < a.k; k += kAhead * kSpan) add_spans<kAhead>(a.x, w, k, kSpan, sums);
  for (; k < a.k; k += kSpan) add_spans<1>(a.x, w, k, kSpan, sums);
  const float totals[kGemvRows] = {wave_sum<Lanes>(sums[0]), wave_sum<Lanes>(sums[1])};
  if (lane_number<Lanes>() == 0) store_sums(a, 0, n, totals);
}

}  // namespace

void linear_gemv(const LinearOperands& a, const hip_plan::LinearPlan& plan, Exec exec) {
  with_wave([&](auto lanes) {
    constexpr int kLanes = decltype(lanes)::value;
    GLMV_LAUNCH(linear_gemv_kernel<kLanes>, dim3(static_cast<unsigned>(plan.blocks)), dim3(kGemvWaves * kLanes), 0,
                exec, a);
  });
}

}  // namespace glmv::GLMV_BACKEND
