// What the wgmma kernels share: the ring of stages between one producer and the consumers, and the tensor maps.
//
// Each stage has two barriers. full: its bytes have come (one arrival, the producer's, which announces them). empty:
// its readers have finished (one arrival per consuming warp, because a warp waits for its own wgmma only). The n-th use
// of a stage completes phase n of both, so a side waits for the parity of n; the producer's first use waits for the
// phase before the first, which counts as complete.
#pragma once

#include "cuda/linear_tiles.h"
#include "cuda/plan/wgmma.h"
#include "simt/ptx_sm90.h"

namespace glmv::GLMV_BACKEND {

/// Rows of a K-major operand lie in groups of eight, one swizzle pattern each.
constexpr unsigned kGroupBytes = 1024;
/// From one step of 16 columns to the next inside a swizzle pattern: 32 bytes, as descriptors count.
constexpr unsigned kStepUnits = 32 / 16;

/// The map of a matrix with adjacent columns, for boxes of `box_rows` rows and 64 columns.
inline ptx::TensorMap matrix_map(const char* what, const ConstTensorView& m, int box_rows) {
  ptx::BoxedTensor t;
  t.data = m.data;
  t.extent[0] = static_cast<uint64_t>(m.dim[1]);
  t.extent[1] = static_cast<uint64_t>(m.dim[0]);
  t.stride[1] = 2 * static_cast<uint64_t>(m.dim[0] > 1 ? m.stride[0] : m.dim[1]);  // one row: its stride says nothing
  t.box[1] = static_cast<uint32_t>(box_rows);
  ptx::TensorMap map;
  const std::string why = encode(map, t);
  GLMV_CHECK(why.empty(), what, ' ', m, ": no tensor map: ", why);
  return map;
}

#if GLMV_HAS_SM90A

template <int Stages>
struct Ring {
  uint64_t full[Stages], empty[Stages];

  /// By one thread; a block barrier must follow.
  __device__ void init(unsigned readers) {
    for (int i = 0; i < Stages; ++i) {
      ptx::mbarrier_init(&full[i], 1);
      ptx::mbarrier_init(&empty[i], readers);
    }
    ptx::mbarrier_init_fence();
  }

  __device__ static int stage(int step) { return step % Stages; }
  /// The producer may overwrite the stage of `step`, of which `bytes` will come.
  __device__ uint64_t* refill(int step, unsigned bytes) {
    ptx::mbarrier_wait(&empty[stage(step)], step / Stages % 2 == 0 ? 1 : 0);
    ptx::mbarrier_arrive_expect(&full[stage(step)], bytes);
    return &full[stage(step)];
  }
  __device__ void wait_full(int step) { ptx::mbarrier_wait(&full[stage(step)], step / Stages % 2); }
  /// One lane of every consuming warp.
  __device__ void release(int step) { ptx::mbarrier_arrive(&empty[stage(step)]); }
};

/// Dynamic shared memory from its first multiple of 1024 bytes on.
template <class T>
__device__ T* aligned_boxes(unsigned char* dynamic) {
  const auto at = reinterpret_cast<uintptr_t>(dynamic);
  const uintptr_t unit = cuda_plan::kBoxAlignment;
  return reinterpret_cast<T*>(dynamic + ((at + unit - 1) / unit * unit - at));
}

#endif

}  // namespace glmv::GLMV_BACKEND
