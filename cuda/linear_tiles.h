// What the kernels of linear share: their operands, and how a tile of bf16 gets from global to shared memory.
#pragma once

#include "cuda/plan/linear.h"
#include "cuda/plan/swizzle.h"
#include "gpu/vectors.h"
#include "simt/ptx.h"

namespace glmv::GLMV_BACKEND {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

/// out[T, N] = x[T, K] w[N, K]^T + bias[N], row strides in elements.
struct LinearOperands {
  const bf16* x;
  const bf16* w;
  int64_t x_stride, w_stride;
  ConstTensorView bias;
  TensorView out;
  int tokens, n, k;
  bool wide_stores;  ///< groups of 8 columns of out start at multiples of 16 bytes and are never cut
};

inline LinearOperands operands_of(const LinearArgs& a, bool wide_stores) {
  return {static_cast<const bf16*>(a.x.data),
          static_cast<const bf16*>(a.w.data.data),
          a.x.stride[0],
          a.w.data.stride[0],
          a.bias,
          a.out,
          static_cast<int>(a.x.dim[0]),
          static_cast<int>(a.w.rows()),
          static_cast<int>(a.x.dim[1]),
          wide_stores};
}

__device__ inline float bias_at(const LinearOperands& a, int n) {
  if (a.bias.data == nullptr) return 0;
  const int64_t at = n * a.bias.stride[0];
  return a.bias.dtype == DType::bf16 ? static_cast<float>(static_cast<const bf16*>(a.bias.data)[at])
                                     : static_cast<const float*>(a.bias.data)[at];
}

/// Columns n .. n + Count - 1 of row t of out, Count (1, 2 or 8) dividing n. Columns beyond N are dropped.
template <int Count>
__device__ void store_row(const LinearOperands& a, int t, int n, const float (&values)[Count]) {
  const int64_t at = t * a.out.stride[0] + n;
  if (a.out.dtype == DType::bf16) {
    bf16* to = static_cast<bf16*>(a.out.data) + at;
    if (a.wide_stores) return store_values(to, values);
    for (int i = 0; i < Count; ++i) {
      if (n + i < a.n) to[i] = bf16(values[i]);
    }
  } else {
    float* to = static_cast<float*>(a.out.data) + at;
    if (a.wide_stores) return store_values(to, values);
    for (int i = 0; i < Count; ++i) {
      if (n + i < a.n) to[i] = values[i];
    }
  }
}

/// A thread's share of the copies that bring tiles of Rows x 8 Chunks elements of a matrix into shared memory: the same
/// chunk of every kStep-th row. What lies outside the matrix becomes zero.
template <class Rule, int Rows, int Chunks>
class TileLoader {
 public:
  /// Rows row0 .. row0 + Rows - 1 of a matrix with `rows` rows of k elements.
  __device__ TileLoader(const bf16* matrix, int64_t stride, int row0, int rows, int k)
      : matrix_(matrix),
        first_(row0 + row()),
        rows_(rows),
        k_(k),
        stride_(stride),
        from_(matrix + first_ * stride + 8 * chunk()) {}

  /// Starts copying the tile that begins at column k0.
  __device__ void start(bf16* tile, int k0) const {
    const bool chunk_inside = k0 + 8 * chunk() < k_;
    GPU_UNROLL
    for (int i = 0; i < kTurns; ++i) {
      const int at = row() + i * kStep;
      if (Rows % kStep != 0 && at >= Rows) break;
      const bool inside = chunk_inside && first_ + i * kStep < rows_;
      const bf16* from = inside ? from_ + i * kStep * stride_ + k0 : matrix_;
      ptx::cp_async_16_zfill(tile + cuda_plan::chunk_place<Rule, Chunks>(at, chunk()), from, inside ? 16 : 0);
    }
  }

 private:
  static constexpr int kStep = cuda_plan::kLinearThreads / Chunks;  // rows that a turn of all threads covers
  static constexpr int kTurns = (Rows + kStep - 1) / kStep;
  __device__ static int row() { return static_cast<int>(threadIdx.x) / Chunks; }
  __device__ static int chunk() { return static_cast<int>(threadIdx.x) % Chunks; }

  const bf16* matrix_;
  int first_, rows_, k_;
  int64_t stride_;
  const bf16* from_;
};

/// Calls load(step) and multiply(step) for `steps` steps, loads running Stages - 1 steps ahead.
/// One barrier per step does both: every thread's copies for this step have arrived, and every thread has finished
/// reading the stage that the next load overwrites.
template <int Stages, class Load, class Multiply>
__device__ void run_pipeline(int steps, Load load, Multiply multiply) {
  const auto start = [&](int step) {
    if (step < steps) load(step);
    ptx::cp_async_commit();  // an empty group at the end keeps the count of groups right
  };
  GPU_UNROLL
  for (int step = 0; step < Stages - 1; ++step) start(step);
  for (int step = 0; step < steps; ++step) {
    ptx::cp_async_wait<Stages - 2>();
    __syncthreads();
    start(step + Stages - 1);
    multiply(step);
  }
}

}  // namespace glmv::GLMV_BACKEND
