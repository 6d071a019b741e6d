// Rows of the grouped products: slots sorted by expert, and how hidden values and outputs are stored. Shared by the
// kernels on mma.sync and on wgmma.
#pragma once

#include "cuda/moe_align.h"
#include "cuda/moe_experts.h"
#include "cuda/moe_vector.h"

namespace glmv::GLMV_BACKEND {

/// What both products need to know of the sorted slots.
struct Rows {
  const RowTile* tiles;
  const int32_t* slot_of_row;
  int per_token;  ///< K
  bool rounded;   ///< Rounding::hf
};

/// Hidden values in their planes: one (rounded), or three.
struct Hidden {
  bf16* data;
  int64_t plane;  ///< elements
  int planes, ffn;
};

/// The bf16 nearest to x, and what is left of x.
__device__ inline float split(float& x) {
  const float nearest = round_to(DType::bf16, x);
  x = isfinite(x) ? x - nearest : 0.0f;
  return nearest;
}

/// Two neighbours as sums of what is stored in the planes, exactly.
__device__ inline void store_hidden(const Hidden& to, int64_t at, float x, float y) {
  for (int p = 0; p < to.planes; ++p) {
    const float low = split(x), high = split(y);
    *reinterpret_cast<unsigned*>(to.data + p * to.plane + at) = pair_of(low, high);
  }
}

/// Two neighbours of an output row: bf16 or f32.
__device__ inline void store_outputs(void* outputs, int64_t at, bool rounded, float x, float y) {
  if (rounded) {
    *reinterpret_cast<unsigned*>(static_cast<bf16*>(outputs) + at) = pair_of(x, y);
  } else {
    *reinterpret_cast<float2*>(static_cast<float*>(outputs) + at) = make_float2(x, y);
  }
}

/// out [T, H]: the weighted sum over each token's rows, in f32, rounded once.
void moe_combine(const MoeExpertsArgs& a, const int32_t* row_of_slot, const void* outputs, bool rounded, Exec exec);

}  // namespace glmv::GLMV_BACKEND
