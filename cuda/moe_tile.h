// A block's tile of a product A B^T in bf16 with f32 sums: mma.sync m16n8k16 on operands that cp.async brings through a
// ring of shared-memory stages. Rows of A and B may lie anywhere, so that gathering rows costs nothing extra. B may
// also be codes of E4M3: they travel and wait as bytes and become bf16, exactly, on their way to the registers.
#pragma once

#include "cuda/moe_vector.h"
#include "cuda/plan/moe_plan.h"
#include "simt/ptx.h"

namespace glmv::GLMV_BACKEND {

constexpr int kStep = 64;  ///< columns of a stage

/// Elements of a row in shared memory: 16 bytes more than a step, so that the eight rows of a fragment begin in eight
/// different groups of banks.
template <class V>
constexpr int kPitch = kStep + 16 / static_cast<int>(sizeof(V));

/// Extents of the tile, how the block's warps share it, stages in flight, and the type of B.
template <int Rows, int Columns, int WarpsDown, int WarpsAcross, int Stages, class W>
struct Tile {
  static constexpr int kRows = Rows, kColumns = Columns, kStages = Stages;
  static constexpr int kThreads = WarpsDown * WarpsAcross * kLanes;
  static constexpr int kWarpRows = Rows / WarpsDown, kWarpColumns = Columns / WarpsAcross;
  static constexpr int kBands = kWarpRows / 16, kBlocks = kWarpColumns / 8;  ///< a warp's mma tiles
  static_assert(kWarpRows % 16 == 0 && kWarpColumns % 16 == 0, "ldmatrix.x4 brings 16 rows");
  static_assert(Stages >= 2);
  using Weight = W;

  /// One stage; both operands by rows.
  struct alignas(16) Stage {
    bf16 a[Rows][kPitch<bf16>];
    W b[Columns][kPitch<W>];
  };
  static constexpr size_t kSharedBytes = Stages * sizeof(Stage);

  /// A warp's part of the result: element r of mma tile (i, j), see simt/lane_tables.h.
  using Sums = float[kBands][kBlocks][4];

  __device__ static int first_row() { return static_cast<int>(threadIdx.x) / kLanes / WarpsAcross * kWarpRows; }
  __device__ static int first_column() { return static_cast<int>(threadIdx.x) / kLanes % WarpsAcross * kWarpColumns; }
};

/// Who copies what: a thread brings one 16-byte chunk of every kApart-th row, the same ones in every step.
template <int Rows, int Threads, class V>
struct RowCopies {
  static constexpr int kChunk = 16 / static_cast<int>(sizeof(V)), kPerRow = kStep / kChunk;
  static constexpr int kEach = Rows * kPerRow / Threads, kApart = Threads / kPerRow;
  static_assert(Rows * kPerRow % Threads == 0, "copies are shared evenly");
  const V* row[kEach];  ///< null: a row of zeros

  /// row_at(r): row r of the tile in global memory, or null.
  template <class RowAt>
  __device__ explicit RowCopies(RowAt row_at) {
    GPU_UNROLL
    for (int i = 0; i < kEach; ++i) row[i] = row_at(static_cast<int>(threadIdx.x) / kPerRow + i * kApart);
  }

  /// Columns [k, k + kStep) of the rows; those from `depth` on become zero. `somewhere` is any address that exists.
  __device__ void start(V (&tile)[Rows][kPitch<V>], int k, int depth, int64_t offset, const void* somewhere) const {
    const int chunk = static_cast<int>(threadIdx.x) % kPerRow * kChunk;
    GPU_UNROLL
    for (int i = 0; i < kEach; ++i) {
      const bool inside = row[i] != nullptr && k + chunk < depth;
      const void* from = inside ? row[i] + offset + k + chunk : somewhere;
      V* to = &tile[static_cast<int>(threadIdx.x) / kPerRow + i * kApart][chunk];
      ptx::cp_async_16_zfill(to, from, inside ? 16 : 0);
    }
  }
};

/// B's registers of two mma tiles, the columns of which are rows [row, row + 16) in shared memory, at columns k to
/// k + 15: b[0..1] of the first, b[2..3] of the second.
template <int Rows>
__device__ void load_weights(const bf16 (&tile)[Rows][kPitch<bf16>], int row, int k, uint32_t (&b)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  ptx::ldmatrix_x4(b, &tile[row + lane / 16 * 8 + lane % 8][k + lane / 8 % 2 * 8]);
}
template <int Rows>
__device__ void load_weights(const f8e4m3 (&tile)[Rows][kPitch<f8e4m3>], int row, int k, uint32_t (&b)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  GPU_UNROLL
  for (int i = 0; i < 4; ++i) {
    const f8e4m3* two = &tile[row + i / 2 * 8 + lane / 4][k + i % 2 * 8 + lane % 4 * 2];
    const unsigned codes = *reinterpret_cast<const uint16_t*>(two);
    b[i] = __float_as_uint(widened(codes & 0xffu)) >> 16 | (__float_as_uint(widened(codes >> 8)) & 0xffff0000u);
  }
}

/// The warp's mma tiles of one step of 16 columns.
template <class T>
__device__ void multiply_columns(const typename T::Stage& stage, int k, typename T::Sums& sum) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  uint32_t a[T::kBands][4];
  GPU_UNROLL
  for (int i = 0; i < T::kBands; ++i) {
    ptx::ldmatrix_x4(a[i], &stage.a[T::first_row() + 16 * i + lane % 16][k + lane / 16 * 8]);
  }
  GPU_UNROLL
  for (int j = 0; j < T::kBlocks; j += 2) {
    uint32_t b[4];  // two blocks of eight columns, each in two halves along K
    load_weights<T::kColumns>(stage.b, T::first_column() + 8 * j, k, b);
    GPU_UNROLL
    for (int i = 0; i < T::kBands; ++i) {
      ptx::mma_m16n8k16_bf16(sum[i][j], a[i], {b[0], b[1]}, sum[i][j]);
      ptx::mma_m16n8k16_bf16(sum[i][j + 1], a[i], {b[2], b[3]}, sum[i][j + 1]);
    }
  }
}

/// What a tile's rows are: their common length, and A in one or more pieces whose sum is meant (bf16 parts of f32
/// values), `piece_stride` elements apart.
struct Depth {
  int columns;
  int pieces = 1;
  int64_t piece_stride = 0;
};

/// sum = A B^T. All threads of the block; `stages` is its dynamic shared memory.
template <class T, class RowA, class RowB>
__device__ void multiply_tile(typename T::Stage* stages, RowA row_a, RowB row_b, Depth depth, const void* somewhere,
                              typename T::Sums& sum) {
  const RowCopies<T::kRows, T::kThreads, bf16> a(row_a);
  const RowCopies<T::kColumns, T::kThreads, typename T::Weight> b(row_b);
  // Pieces follow one another at the same columns: B comes from the cache for all but the first.
  const int steps = (depth.columns + kStep - 1) / kStep * depth.pieces;
  const auto start = [&](int step) {
    if (step < steps) {
      typename T::Stage& stage = stages[step % T::kStages];
      const int k = step / depth.pieces * kStep;
      a.start(stage.a, k, depth.columns, step % depth.pieces * depth.piece_stride, somewhere);
      b.start(stage.b, k, depth.columns, 0, somewhere);
    }
    ptx::cp_async_commit();  // an empty group at the end keeps the count of groups right
  };
  for (int step = 0; step < T::kStages - 1; ++step) start(step);
  for (int step = 0; step < steps; ++step) {
    ptx::cp_async_wait<T::kStages - 2>();
    __syncthreads();  // the other threads' copies have arrived, and everybody has read the stage filled next
    start(step + T::kStages - 1);
    GPU_UNROLL
    for (int k = 0; k < kStep; k += 16) multiply_columns<T>(stages[step % T::kStages], k, sum);
  }
}

/// f(row, column, x, y) for every pair of neighbours of the warp's part; row and column within the tile. Sums of the
/// column blocks j and j + 1 lie in the same thread.
template <class T, class F>
__device__ void for_each_pair(const typename T::Sums& sum, F f) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  GPU_UNROLL
  for (int i = 0; i < T::kBands; ++i) {
    GPU_UNROLL
    for (int j = 0; j < T::kBlocks; ++j) {
      GPU_UNROLL
      for (int half = 0; half < 2; ++half) {
        f(T::first_row() + 16 * i + 8 * half + lane / 4, T::first_column() + 8 * j + lane % 4 * 2, sum[i][j][2 * half],
          sum[i][j][2 * half + 1]);
      }
    }
  }
}

template <class W>
using FewRows = Tile<16, 64, 1, 4, 5, W>;
template <class W>
using SomeRows = Tile<64, 128, 2, 2, 3, W>;
template <class W>
using ManyRows = Tile<128, 128, 4, 2, 3, W>;
template <class T>
constexpr bool is_planned(cuda_plan::TileExtents extents) {
  return T::kRows == extents.rows && T::kColumns == extents.weight_rows;
}
static_assert(is_planned<FewRows<bf16>>(cuda_plan::kFewRows) && is_planned<SomeRows<bf16>>(cuda_plan::kSomeRows) &&
              is_planned<ManyRows<bf16>>(cuda_plan::kManyRows));

/// Launches a kernel that works on tiles T; more than 48 KiB of shared memory must be asked for.
#define GLMV_LAUNCH_TILES(T, kernel, blocks, exec, ...)                                                                \
  do {                                                                                                                 \
    launched(#kernel, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,                        \
                                           static_cast<int>(T::kSharedBytes)));                                        \
    GLMV_LAUNCH(kernel, dim3(static_cast<unsigned>((blocks).x), static_cast<unsigned>((blocks).y)), dim3(T::kThreads), \
                T::kSharedBytes, exec, __VA_ARGS__);                                                                   \
  } while (false)

}  // namespace glmv::GLMV_BACKEND
