// linear for 2 to 64 tokens: the time is that of reading w, so every byte of w goes once from memory to registers, in
// the layout of MFMA 16x16x16, past shared memory: no other wave has a use for it. x comes from the cache.
//
// A block has 16 rows of w, the M side of the instruction; its waves take turns with 64 columns of K and add their sums
// in shared memory, in their order. Where N gives too few blocks, blockIdx.y cuts K into slices too. Each writes its
// f32 sums to scratch [splits, T, N], and a second kernel adds them slice by slice: the same order in every run.
#include "hip/linear.h"
#include "hip/mfma.h"

namespace glmv::GLMV_BACKEND {
namespace {

using hip_plan::kSkinnyFeatures;
using hip_plan::kSkinnyStep;
using hip_plan::kSkinnyWaves;
static_assert(kSkinnyFeatures == 16 && kSkinnyStep == 64, "four lanes of a row with two chunks each");
constexpr int kThreads = kSkinnyWaves * kWave;
constexpr int kAhead = 2;  // steps whose weights are in flight: 4 KiB per wave

// ---- Shared memory: each wave's sums, [tokens][16 features]

template <int Tokens>
struct WaveSums {
  float of_token[Tokens][kSkinnyFeatures + 4];  // 16 bytes more: lanes of a store hit different banks
};

/// Two chunks of a row, those of a lane's step from column k on; zeros beyond `end` and for no row.
__device__ void load_step(const bf16* row, int k, int end, uint32_t (&to)[2][4]) {
  GPU_UNROLL
  for (int i = 0; i < 2; ++i) {
    const int at = k + 32 * i + static_cast<int>(threadIdx.x) % kWave / 16 * 8;
    load_words_if(row != nullptr && at < end, row + at, to[i]);
  }
}

/// The wave's sums over its steps of columns [begin, end).
template <int Tokens>
__device__ void add_steps(const LinearOperands& a, int n0, int begin, int end, float (&sums)[Tokens / 16][4]) {
  const int wave = static_cast<int>(threadIdx.x) / kWave, row = static_cast<int>(threadIdx.x) % 16;
  const bf16* const w_row = n0 + row < a.n ? a.w + (n0 + row) * a.w_stride : nullptr;
  constexpr int kApart = kSkinnyWaves * kSkinnyStep;
  for (int k = begin + wave * kSkinnyStep; k < end; k += kAhead * kApart) {
    uint32_t w[kAhead][2][4];
    GPU_UNROLL
    for (int i = 0; i < kAhead; ++i) load_step(w_row, k + i * kApart, end, w[i]);
    GPU_UNROLL
    for (int i = 0; i < kAhead; ++i) {
      GPU_UNROLL
      for (int b = 0; b < Tokens / 16; ++b) {
        const int t = 16 * b + row;
        uint32_t x[2][4];
        load_step(t < a.tokens ? a.x + t * a.x_stride : nullptr, k + i * kApart, end, x);
        mfma_chunks(sums[b], w[i][0], x[0]);
        mfma_chunks(sums[b], w[i][1], x[1]);
      }
    }
  }
}

/// Block (rows of w, slice of K). `partial`: f32 [splits, T, N], or null for one that has all of K.
template <int Tokens>
__global__ void __launch_bounds__(kThreads, kWavesPerUnit)
    linear_skinny_kernel(LinearOperands a, int split_columns, float* partial) {
  needs_mfma();
  GPU_SHARED(WaveSums<Tokens>, waves, [kSkinnyWaves]);
  const int n0 = static_cast<int>(blockIdx.x) * kSkinnyFeatures, begin = static_cast<int>(blockIdx.y) * split_columns;
  const int wave = static_cast<int>(threadIdx.x) / kWave, lane = static_cast<int>(threadIdx.x) % kWave;
  float sums[Tokens / 16][4] = {};
  add_steps<Tokens>(a, n0, begin, min(begin + split_columns, a.k), sums);
  GPU_UNROLL
  for (int b = 0; b < Tokens / 16; ++b) store_values(&waves[wave].of_token[16 * b + lane % 16][lane / 16 * 4], sums[b]);
  __syncthreads();
  const int t = static_cast<int>(threadIdx.x) / 4, four = static_cast<int>(threadIdx.x) % 4 * 4;
  if (t >= Tokens || t >= a.tokens || n0 + four >= a.n) return;
  float total[4] = {};
  for (int w = 0; w < kSkinnyWaves; ++w) {
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) total[i] += waves[w].of_token[t][four + i];
  }
  if (partial == nullptr) return store_sums(a, t, n0 + four, total);
  float* to = partial + (static_cast<int64_t>(blockIdx.y) * a.tokens + t) * a.n + n0 + four;
  GPU_UNROLL
  for (int i = 0; i < 4; ++i) {
    if (n0 + four + i < a.n) to[i] = total[i];
  }
}
static_assert(kThreads / 4 >= hip_plan::kSkinnyTokens[2], "a thread for every four features of every token");

/// One thread per two elements of out: block (columns, token).
__global__ void __launch_bounds__(kPlainThreads) linear_sum_kernel(LinearOperands a, const float* partial, int splits) {
  const int n = 2 * (static_cast<int>(blockIdx.x) * kPlainThreads + static_cast<int>(threadIdx.x));
  if (n >= a.n) return;
  const int64_t slice = static_cast<int64_t>(a.tokens) * a.n, at = static_cast<int64_t>(blockIdx.y) * a.n + n;
  float sums[2] = {};
  for (int split = 0; split < splits; ++split) {
    GPU_UNROLL
    for (int i = 0; i < 2; ++i) sums[i] += n + i < a.n ? partial[split * slice + at + i] : 0;
  }
  store_sums(a, static_cast<int>(blockIdx.y), n, sums);
}

template <int Tokens>
void launch(const LinearOperands& a, const hip_plan::LinearPlan& plan, Exec exec) {
  float* partial = plan.splits > 1 ? static_cast<float*>(exec.scratch.data) : nullptr;
  const dim3 grid(static_cast<unsigned>(plan.blocks), static_cast<unsigned>(plan.splits));
  GLMV_LAUNCH(linear_skinny_kernel<Tokens>, grid, dim3(kThreads), 0, exec, a, plan.split_columns, partial);
}

}  // namespace

void linear_skinny(const LinearOperands& a, const hip_plan::LinearPlan& plan, Exec exec) {
  switch (plan.tile.tokens) {
    case 16: launch<16>(a, plan, exec); break;
    case 32: launch<32>(a, plan, exec); break;
    default: launch<64>(a, plan, exec); break;
  }
  if (plan.splits == 1) return;
  const dim3 grid(blocks_for((a.n + 1) / 2), static_cast<unsigned>(a.tokens));
  GLMV_LAUNCH(linear_sum_kernel, grid, dim3(kPlainThreads), 0, exec, a, static_cast<const float*>(exec.scratch.data),
              plan.splits);
}

}  // namespace glmv::GLMV_BACKEND
