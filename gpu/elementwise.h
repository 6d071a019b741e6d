// Ops that make every element of out from the elements at the same place of one or two inputs.
#pragma once

#include "gpu/vectors.h"

namespace glmv::GLMV_BACKEND {

constexpr int kElementwiseThreads = 256;

/// out[t, h] = f(a[t, h], b[t, h]), N neighbours per thread, block (row, part of the row). out may be a or b.
template <class T, int N, class F>
__global__ void __launch_bounds__(kElementwiseThreads)
    zip_kernel(Rows<const T> a, Rows<const T> b, Rows<T> out, int64_t width, F f) {
  const int64_t h = N * (static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x);
  if (h >= width) return;
  float x[N], y[N];
  load_values(a[blockIdx.x] + h, x);
  load_values(b[blockIdx.x] + h, y);
  GPU_UNROLL
  for (int i = 0; i < N; ++i) x[i] = f(x[i], y[i]);
  store_values(out[blockIdx.x] + h, x);
}

/// out[t, h] = f(x[t, h]), likewise.
template <class T, int N, class F>
__global__ void __launch_bounds__(kElementwiseThreads) map_kernel(Rows<const T> x, Rows<T> out, int64_t width, F f) {
  const int64_t h = N * (static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x);
  if (h >= width) return;
  float v[N];
  load_values(x[blockIdx.x] + h, v);
  GPU_UNROLL
  for (int i = 0; i < N; ++i) v[i] = f(v[i]);
  store_values(out[blockIdx.x] + h, v);
}

/// Threads per block, and blocks along a row, for `units` pieces of work per row: whole warps, no more than needed.
struct RowGrid {
  unsigned threads, blocks;

  RowGrid(int64_t units, unsigned most_threads, unsigned warp = 32) {
    const int64_t whole_warps = (units + warp - 1) / warp * warp;
    threads = whole_warps < most_threads ? static_cast<unsigned>(whole_warps) : most_threads;
    blocks = threads == 0 ? 0 : static_cast<unsigned>((units + threads - 1) / threads);
  }
};

/// Runs f over every element of `out`, by vectors where all views take them.
template <class F, class... Inputs>
void elementwise(const char* op, F f, const TensorView& out, Exec exec, const Inputs&... inputs) {
  if (out.size() == 0) return;
  const auto run = [&](auto type, auto vector) {
    using T = decltype(type);
    constexpr int N = decltype(vector)::value;
    const RowGrid grid((out.dim[1] + N - 1) / N, kElementwiseThreads);
    GLMV_CHECK(grid.blocks <= 65535, op, ": rows of ", out.dim[1], " elements are too long");
    const dim3 blocks(static_cast<unsigned>(out.dim[0]), grid.blocks);
    if constexpr (sizeof...(Inputs) == 1)
      GLMV_LAUNCH((map_kernel<T, N, F>), blocks, dim3(grid.threads), 0, exec, Rows<const T>(inputs)..., Rows<T>(out),
                  out.dim[1], f);
    else
      GLMV_LAUNCH((zip_kernel<T, N, F>), blocks, dim3(grid.threads), 0, exec, Rows<const T>(inputs)..., Rows<T>(out),
                  out.dim[1], f);
  };
  with_type(out.dtype, [&](auto type) {
    constexpr int N = kVector<decltype(type)>;
    const bool vectors = takes_vectors(out, N) && (takes_vectors(inputs, N) && ...);
    if (vectors)
      run(type, Number<N>());
    else
      run(type, Number<1>());
  });
}

}  // namespace glmv::GLMV_BACKEND
