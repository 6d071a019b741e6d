#include "reference/sample.h"

#include "cuda/ops.h"
#include "gpu/vectors.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kSampleThreads = 512;
constexpr int kSampleWarps = kSampleThreads / 32;

/// The best logit so far. Minus infinity at no index: any logit, even that, comes before it.
struct Candidate {
  float value = -INFINITY;
  int32_t index = 0x7fffffff;

  /// Keeps the better one; of equal ones that with the lower index.
  __device__ void meet(float other, int32_t other_index) {
    if (other > value || (other == value && other_index < index)) value = other, index = other_index;
  }
};

__device__ Candidate best_of_warp(Candidate c) {
  GPU_UNROLL
  for (int distance = 16; distance > 0; distance /= 2) {
    const float value = __shfl_xor_sync(0xffffffffu, c.value, distance);
    c.meet(value, __shfl_xor_sync(0xffffffffu, c.index, distance));
  }
  return c;
}

/// One block per row. A row that holds a NaN or +infinity gets -1.
template <class T, int N>
__global__ void __launch_bounds__(kSampleThreads) sample_kernel(Rows<const T> logits, int64_t width, TensorView ids) {
  GPU_SHARED(float, values, [kSampleWarps]);
  GPU_SHARED(int32_t, indices, [kSampleWarps]);
  const T* const row = logits[blockIdx.x];
  Candidate best;
  int not_a_number = 0;  // NaN or +infinity
  for (int64_t v = N * threadIdx.x; v < width; v += N * kSampleThreads) {
    float x[N];
    load_values(row + v, x);
    GPU_UNROLL
    for (int i = 0; i < N; ++i) {
      not_a_number |= !(x[i] < INFINITY);
      best.meet(x[i], static_cast<int32_t>(v + i));
    }
  }
  best = best_of_warp(best);
  if (threadIdx.x % 32 == 0) values[threadIdx.x / 32] = best.value, indices[threadIdx.x / 32] = best.index;
  not_a_number = __syncthreads_or(not_a_number);
  if (threadIdx.x != 0) return;
  for (int warp = 1; warp < kSampleWarps; ++warp) best.meet(values[warp], indices[warp]);
  int_at(ids, blockIdx.x) = not_a_number != 0 ? -1 : best.index;
}

}  // namespace

void sample(const SampleArgs& a, Exec exec) {
  check(a);
  check_type("sample", a.logits.dtype);
  if (a.logits.dim[0] == 0) return;
  const dim3 grid(static_cast<unsigned>(a.logits.dim[0])), block(kSampleThreads);
  with_type(a.logits.dtype, [&](auto type) {
    using T = decltype(type);
    constexpr int N = kVector<T>;
    const Rows<const T> logits(a.logits);
    if (takes_vectors(a.logits, N))
      GLMV_LAUNCH((sample_kernel<T, N>), grid, block, 0, exec, logits, a.logits.dim[1], a.ids);
    else
      GLMV_LAUNCH((sample_kernel<T, 1>), grid, block, 0, exec, logits, a.logits.dim[1], a.ids);
  });
}

}  // namespace glmv::GLMV_BACKEND
