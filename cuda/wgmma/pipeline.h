// What the wgmma kernels share: the ring of stages between one producer and the consumers, and the tensor maps.
//
// Each stage has two barriers. full: its bytes have come (one arrival, of the thread that loads and announces them, or
// one of each thread that copies). empty:
// its readers have finished (one arrival per consuming warp, because a warp waits for its own wgmma only). The n-th use
// of a stage completes phase n of both, so a side waits for the parity of n; the producer's first use waits for the
// phase before the first, which counts as complete.
#pragma once

#include "cuda/launch.h"
#include "cuda/plan/wgmma.h"
#include "simt/ptx_sm90.h"

namespace glmv::GLMV_BACKEND {

constexpr int kWarpLanes = 32;
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

/// Shared memory of a product: `Stages` of these from a multiple of 1024 bytes on, boxes swizzled; and a ring.
template <int Columns>
struct Stage {
  bf16 x[cuda_plan::kWgmmaRows * cuda_plan::kWgmmaDepth], w[Columns * cuda_plan::kWgmmaDepth];
};
/// Arrivals that give a stage back.
constexpr unsigned kReaders = cuda_plan::kConsumers * cuda_plan::kWarpgroup / kWarpLanes;

#if GLMV_HAS_SM90A

template <int Stages>
struct Ring {
  uint64_t full[Stages], empty[Stages];

  /// By one thread; a block barrier must follow.
  __device__ void init(unsigned writers, unsigned readers) {
    for (int i = 0; i < Stages; ++i) {
      ptx::mbarrier_init(&full[i], writers);
      ptx::mbarrier_init(&empty[i], readers);
    }
    ptx::mbarrier_init_fence();
  }

  __device__ static int stage(int step) { return step % Stages; }
  /// Until the stage of `step` may be overwritten.
  __device__ void wait_empty(int step) { ptx::mbarrier_wait(&empty[stage(step)], step / Stages % 2 == 0 ? 1 : 0); }
  /// The same for a producer that loads: `bytes` will come to the barrier that is returned.
  __device__ uint64_t* refill(int step, unsigned bytes) {
    wait_empty(step);
    ptx::mbarrier_arrive_expect(&full[stage(step)], bytes);
    return &full[stage(step)];
  }
  /// A writer that copied has finished its share.
  __device__ void announce(int step) { ptx::mbarrier_arrive(&full[stage(step)]); }
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

/// One thread: load(stage, full, step) starts the loads of a stage, which bring all of it.
template <int Columns, int Stages, class Load>
__device__ void produce(Stage<Columns>* stages, Ring<Stages>& ring, int steps, Load load) {
  for (int step = 0; step < steps; ++step) {
    uint64_t* full = ring.refill(step, sizeof(Stage<Columns>));
    load(stages[ring.stage(step)], full, step);
  }
}

/// Issues a stage's products: 64 rows of x, from `row` on, times all columns.
template <int Columns>
__device__ void multiply(float (&sums)[Columns / 2], const Stage<Columns>& stage, int row, bool first) {
  const uint64_t x = ptx::wgmma_descriptor(stage.x + row * cuda_plan::kWgmmaDepth, 0, kGroupBytes);
  const uint64_t w = ptx::wgmma_descriptor(stage.w, 0, kGroupBytes);
  ptx::wgmma_fence();
  GPU_UNROLL
  for (int k = 0; k < cuda_plan::kWgmmaDepth / 16; ++k)
    ptx::wgmma(sums, x + kStepUnits * k, w + kStepUnits * k, !first || k > 0);
  ptx::wgmma_commit();
}

/// A consumer: sums = its 64 rows of x times w^T.
template <int Columns, int Stages>
__device__ void consume(float (&sums)[Columns / 2], const Stage<Columns>* stages, Ring<Stages>& ring, int row,
                        int steps) {
  for (int step = 0; step < steps; ++step) {
    ring.wait_full(step);
    multiply<Columns>(sums, stages[ring.stage(step)], row, step == 0);
    ptx::wgmma_wait<1>();  // the step before has been read; this one runs on
    if (step > 0 && threadIdx.x % kWarpLanes == 0) ring.release(step - 1);
  }
  ptx::wgmma_wait<0>(sums);
}

/// A consumer without rows: the producer waits for it all the same.
template <int Stages>
__device__ void pass_by(Ring<Stages>& ring, int steps) {
  for (int step = 0; step < steps; ++step) {
    ring.wait_full(step);
    if (threadIdx.x % kWarpLanes == 0) ring.release(step);
  }
}

/// Row of D, of the 64 of a consumer, that is in its thread's register 0; register 2 is eight rows below.
__device__ inline int first_row_of_thread() {
  const int thread = threadIdx.x % cuda_plan::kWarpgroup;
  return thread / kWarpLanes * 16 + thread % kWarpLanes / 4;
}

#endif

}  // namespace glmv::GLMV_BACKEND
