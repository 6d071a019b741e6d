#include "reference/sample.h"

#include "gpu/vectors.h"
#include "hip/ops.h"
#include "hip/waves.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kSampleThreads = 512;

/// The best logit so far. Minus infinity at no index: any logit, even that, comes before it.
struct Candidate {
  float value = -INFINITY;
  int32_t index = 0x7fffffff;

  /// Keeps the better one; of equal ones that with the lower index.
  __device__ void meet(float other, int32_t other_index) {
    if (other > value || (other == value && other_index < index)) value = other, index = other_index;
  }
};

template <int Lanes>
__device__ Candidate best_of_wave(Candidate c) {
  GPU_UNROLL
  for (int distance = Lanes / 2; distance > 0; distance /= 2) {
    const float value = __shfl_xor(c.value, distance, Lanes);
    c.meet(value, __shfl_xor(c.index, distance, Lanes));
  }
  return c;
}

/// One block per row. A row that holds a NaN or +infinity gets -1.
template <int Lanes, class T, int N>
__global__ void __launch_bounds__(kSampleThreads) sample_kernel(Rows<const T> logits, int64_t width, TensorView ids) {
  needs_wave<Lanes>();
  constexpr int kSampleWaves = kSampleThreads / Lanes;
  GPU_SHARED(float, values, [kSampleWaves]);
  GPU_SHARED(int32_t, indices, [kSampleWaves]);
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
  best = best_of_wave<Lanes>(best);
  if (lane_number<Lanes>() == 0) values[wave_number<Lanes>()] = best.value, indices[wave_number<Lanes>()] = best.index;
  not_a_number = __syncthreads_or(not_a_number);
  if (threadIdx.x != 0) return;
  for (int wave = 1; wave < kSampleWaves; ++wave) best.meet(values[wave], indices[wave]);
  int_at(ids, blockIdx.x) = not_a_number != 0 ? -1 : best.index;
}

}  // namespace

void sample(const SampleArgs& a, Exec exec) {
  check(a);
  check_type("sample", a.logits.dtype);
  if (a.logits.dim[0] == 0) return;
  const dim3 grid(static_cast<unsigned>(a.logits.dim[0])), block(kSampleThreads);
  with_wave([&](auto lanes) {
    constexpr int kLanes = decltype(lanes)::value;
    with_type(a.logits.dtype, [&](auto type) {
      using T = decltype(type);
      constexpr int N = kVector<T>;
      const Rows<const T> logits(a.logits);
      if (takes_vectors(a.logits, N))
        GLMV_LAUNCH((sample_kernel<kLanes, T, N>), grid, block, 0, exec, logits, a.logits.dim[1], a.ids);
      else
        GLMV_LAUNCH((sample_kernel<kLanes, T, 1>), grid, block, 0, exec, logits, a.logits.dim[1], a.ids);
    });
  });
}

}  // namespace glmv::GLMV_BACKEND
