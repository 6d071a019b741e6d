// The kernels of linear, one launch each, and what they share. Operands have been checked, the plan says which one
// runs.
#pragma once

#include "gpu/vectors.h"
#include "hip/mfma.h"
#include "hip/plan/linear.h"

namespace glmv::GLMV_BACKEND {

/// out[T, N] = x[T, K] w[N, K]^T + bias[N], row strides in elements.
struct LinearOperands {
  const bf16* x;
  const bf16* w;
  int64_t x_stride, w_stride;
  ConstTensorView bias;
  TensorView out;
  int tokens, n, k;
  bool wide_stores;  ///< fours of out are aligned and never cut
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

void linear_gemv(const LinearOperands& a, const hip_plan::LinearPlan& plan, Exec exec);
void linear_skinny(const LinearOperands& a, const hip_plan::LinearPlan& plan, Exec exec);
void linear_dense(const LinearOperands& a, const hip_plan::LinearPlan& plan, Exec exec);

__device__ inline float bias_at(const LinearOperands& a, int n) {
  if (a.bias.data == nullptr) return 0;
  const int64_t at = n * a.bias.stride[0];
  return a.bias.dtype == DType::bf16 ? static_cast<float>(static_cast<const bf16*>(a.bias.data)[at])
                                     : static_cast<const float*>(a.bias.data)[at];
}

/// Sums of columns n .. n + Count - 1 (Count 2 or 4, dividing n) of row t, plus bias, rounded once. Columns beyond N
/// are dropped.
template <int Count>
__device__ __forceinline__ void store_sums(const LinearOperands& a, int t, int n, const float (&sums)[Count]) {
  float values[Count];
  GPU_UNROLL
  for (int i = 0; i < Count; ++i) values[i] = sums[i] + (n + i < a.n ? bias_at(a, n + i) : 0);
  const int64_t at = t * a.out.stride[0] + n;
  const auto store = [&](auto* out) HIP_INLINE {
    if (a.wide_stores) return store_values(out + at, values);
    GPU_UNROLL
    for (int i = 0; i < Count; ++i) {
      const float one[1] = {values[i]};
      if (n + i < a.n) store_values(out + at + i, one);
    }
  };
  a.out.dtype == DType::bf16 ? store(static_cast<bf16*>(a.out.data)) : store(static_cast<float*>(a.out.data));
}

}  // namespace glmv::GLMV_BACKEND
