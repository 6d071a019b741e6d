// One token's experts in the order in which their outputs are summed.
#pragma once

#include "gpu/elements.h"

namespace glmv::GLMV_BACKEND {

constexpr int kMaxChosen = 256;  ///< experts of a token; the planners refuse more

/// In shared memory. Experts ascend, whatever order the ids came in.
struct Chosen {
  int32_t count;
  int32_t slot[kMaxChosen], expert[kMaxChosen];
  float weight[kMaxChosen];
};

__device__ inline bool names_expert(int id, int64_t experts) { return id >= 0 && id < experts; }

/// Ids before the k-th in the sum; of equal ones (an error of the caller's) the earlier slot.
__device__ inline int place_in_sum(const ConstTensorView& ids, int64_t t, int k, int64_t experts) {
  const int id = int_at(ids, t, k);
  int before = 0;
  for (int j = 0; j < ids.dim[1]; ++j) {
    const int other = int_at(ids, t, j);
    before += names_expert(other, experts) && (other < id || (other == id && j < k));
  }
  return before;
}

/// Fills `chosen` for token t; the block's threads share the work, a barrier must follow. An id that names no expert is
/// left out: nothing can be thrown here.
__device__ inline void sort_chosen(const ConstTensorView& ids, const ConstTensorView& weights, int64_t experts,
                                   int64_t t, Chosen& chosen) {
  for (int k = static_cast<int>(threadIdx.x); k < ids.dim[1]; k += static_cast<int>(blockDim.x)) {
    if (!names_expert(int_at(ids, t, k), experts)) continue;
    const int at = place_in_sum(ids, t, k, experts);
    chosen.slot[at] = static_cast<int32_t>(t * ids.dim[1] + k);
    chosen.expert[at] = int_at(ids, t, k);
    chosen.weight[at] = static_cast<const float*>(weights.data)[place(weights, t, int64_t{k})];  // f32 by contract
  }
  if (threadIdx.x == 0) {
    int count = 0;
    for (int k = 0; k < ids.dim[1]; ++k) count += names_expert(int_at(ids, t, k), experts);
    chosen.count = count;
  }
}

}  // namespace glmv::GLMV_BACKEND
