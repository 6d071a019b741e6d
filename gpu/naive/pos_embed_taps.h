#include "reference/pos_embed_taps.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

constexpr float A = -0.75f;  // of the cubic kernel

__device__ float near(float x) { return ((A + 2) * x - (A + 3)) * x * x + 1; }       // |x| <= 1
__device__ float far(float x) { return ((A * x - 5 * A) * x + 8 * A) * x - 4 * A; }  // 1 < |x| < 2

/// One thread per patch and axis (0: y, 1: x).
__global__ void pos_embed_taps_kernel(ConstTensorView positions, ConstTensorView extents, int64_t side,
                                      TensorView index_y, TensorView index_x, TensorView weight_y,
                                      TensorView weight_x) {
  const int64_t patch = thread_number() / 2, axis = thread_number() % 2;
  if (patch >= positions.dim[1]) return;
  const TensorView& index = axis == 0 ? index_y : index_x;
  const TensorView& weight = axis == 0 ? weight_y : weight_x;
  const float position = static_cast<float>(int_at(positions, axis, patch));
  const float grid = (position + 0.5f) / static_cast<float>(int_at(extents, axis, patch)) * 2.0f - 1.0f;
  const float at = ((grid + 1.0f) * static_cast<float>(side) - 1.0f) / 2.0f;
  const float base = floorf(at), t = at - base;
  for (int64_t tap = 0; tap < 4; ++tap) {
    const int64_t cell = static_cast<int64_t>(base) - 1 + tap;
    int_at(index, patch, tap) = static_cast<int32_t>(cell < 0 ? 0 : cell > side - 1 ? side - 1 : cell);
  }
  set(weight, far(t + 1), patch, 0);
  set(weight, near(t), patch, 1);
  set(weight, near(1 - t), patch, 2);
  set(weight, far(2 - t), patch, 3);
}

}  // namespace

void pos_embed_taps(const PosEmbedTapsArgs& a, Exec exec) {
  check(a);
  GLMV_LAUNCH_EACH(pos_embed_taps_kernel, 2 * a.positions.dim[1], exec, a.positions, a.extents, a.side, a.index_y,
                   a.index_x, a.weight_y, a.weight_x);
}

}  // namespace glmv::GLMV_BACKEND::naive
