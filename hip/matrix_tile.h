// A block's tile of a product x w^T in bf16 with f32 sums, by MFMA 32x32x8. Rows of both may lie anywhere, so gathering
// rows costs nothing extra. Rows of w may also be codes of E4M3: they become bf16, exactly, on their way to shared
// memory.
//
// Rows of w (features of the result) are the M side of the instruction and rows of x (tokens) the N side: a lane ends
// with one token and, of every eight features, four neighbours. So it writes neighbours, and what belongs to one token
// and two features far apart (gate and up) meets in one lane.
//
// There is no copy past the registers on CDNA 2, and 64 KiB of shared memory: the next step's chunks wait in registers
// while this one's are multiplied, between two barriers. Chunks of a row are exchanged by an exclusive or with the
// row's number, or the rows of an operand would all begin in the same bank.
#pragma once

#include "gpu/vectors.h"
#include "hip/fp8.h"
#include "hip/mfma.h"
#include "simt/phases.h"

namespace glmv::GLMV_BACKEND {

constexpr int kStep = 64;           ///< columns of a step
constexpr int kChunks = kStep / 8;  ///< chunks of a row of it

/// Element at which a chunk starts within its tile.
__device__ constexpr int chunk_place(int row, int chunk) { return 8 * (row * kChunks + (chunk ^ row % kChunks)); }

/// Extents of the tile, how the block's waves share it, and the type of w.
template <int Tokens, int Features, int WavesDown, int WavesAcross, class W>
struct Tile {
  static constexpr int kTokens = Tokens, kFeatures = Features;
  static constexpr int kThreads = WavesDown * WavesAcross * kWave;
  static constexpr int kBlocks = Tokens / WavesDown / 32, kBands = Features / WavesAcross / 32;  ///< of a wave
  static_assert(kBlocks * WavesDown * 32 == Tokens && kBands * WavesAcross * 32 == Features, "whole instructions");
  static constexpr int kUnits = 4;  ///< of a compute unit, which has waves 0, 4, 8 and so on of a block on its first
  static constexpr bool kTwoGroups = WavesDown * WavesAcross == 2 * kUnits;
  using Weight = W;

  // Shared memory
  struct alignas(16) Stage {
    bf16 x[Tokens * kStep], w[Features * kStep];
  };
  static_assert(sizeof(Stage) <= 64 * 1024, "all that a compute unit has");

  /// Value r of instruction (band, block): feature 32 band + 8 (r / 4) + 4 (lane / 32) + r % 4, token 32 block + lane %
  /// 32 of the wave's part.
  using Sums = float[kBands][kBlocks][16];

  __device__ static int lane() { return static_cast<int>(threadIdx.x) % kWave; }
  __device__ static int wave() { return static_cast<int>(threadIdx.x) / kWave; }
  __device__ static int first_token() { return wave() / WavesAcross * kBlocks * 32; }
  __device__ static int first_feature() { return wave() % WavesAcross * kBands * 32; }
};

/// Who brings what: a thread the same chunk of every kApart-th row, in every step.
template <int Rows, int Threads, class V>
struct RowLoads {
  static constexpr int kEach = Rows * kChunks / Threads, kApart = Threads / kChunks;
  static constexpr int kWords = static_cast<int>(8 * sizeof(V) / 4);
  static_assert(kEach * Threads == Rows * kChunks, "chunks are shared evenly");
  const V* row[kEach];  ///< null: a row of zeros
  uint32_t words[kEach][kWords];

  /// row_at(r): row r of the tile in global memory, or null.
  template <class RowAt>
  __device__ explicit RowLoads(RowAt row_at) {
    GPU_UNROLL
    for (int i = 0; i < kEach; ++i) row[i] = row_at(first_row() + i * kApart);
  }
  __device__ static int first_row() { return static_cast<int>(threadIdx.x) / kChunks; }
  __device__ static int chunk() { return static_cast<int>(threadIdx.x) % kChunks; }

  /// Columns [k, k + kStep), to registers; those from `depth` on become zero.
  __device__ __forceinline__ void load(int k, int depth, int64_t offset = 0) {
    GPU_UNROLL
    for (int i = 0; i < kEach; ++i) {
      const int column = k + 8 * chunk();
      load_words_if(row[i] != nullptr && column < depth, row[i] + offset + column, words[i]);
    }
  }
  /// What was loaded, to shared memory.
  __device__ __forceinline__ void store(bf16* tile) const {
    GPU_UNROLL
    for (int i = 0; i < kEach; ++i) {
      uint32_t chunk_words[4];
      as_bf16(words[i], chunk_words);
      store_words(tile + chunk_place(first_row() + i * kApart, chunk()), chunk_words);
    }
  }

 private:
  __device__ static void as_bf16(const uint32_t (&from)[4], uint32_t (&to)[4]) {
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) to[i] = from[i];
  }
  __device__ __forceinline__ static void as_bf16(const uint32_t (&codes)[2], uint32_t (&to)[4]) {
    widen_codes(codes, to);
  }
};

/// What a wave multiplies at a time: two neighbouring chunks of each of its rows, one in either half of its lanes.
template <class T>
struct Operands {
  uint32_t x[T::kBlocks][4], w[T::kBands][4];

  __device__ __forceinline__ void read(const typename T::Stage& stage, int chunk) {
    const int row = T::lane() % 32, half = T::lane() / 32;
    GPU_UNROLL
    for (int j = 0; j < T::kBlocks; ++j)
      load_words(stage.x + chunk_place(T::first_token() + 32 * j + row, chunk + half), x[j]);
    GPU_UNROLL
    for (int i = 0; i < T::kBands; ++i)
      load_words(stage.w + chunk_place(T::first_feature() + 32 * i + row, chunk + half), w[i]);
  }
  __device__ __forceinline__ void multiply(typename T::Sums& sums) const {
    GPU_UNROLL
    for (int i = 0; i < T::kBands; ++i) {
      GPU_UNROLL
      for (int j = 0; j < T::kBlocks; ++j) mfma_chunks(sums[i][j], w[i], x[j]);
    }
  }
};

/// A step's products, added to the wave's sums.
template <class T>
__device__ __forceinline__ void multiply_step(const typename T::Stage& stage, typename T::Sums& sums) {
  GPU_UNROLL
  for (int c = 0; c < kChunks; c += 2) {
    Operands<T> operands;
    operands.read(stage, c);
    operands.multiply(sums);
  }
}

/// The same in phases of reading and of multiplying.
template <class T>
__device__ __forceinline__ void multiply_step_in_phases(const typename T::Stage& stage, typename T::Sums& sums) {
  GPU_UNROLL
  for (int c = 0; c < kChunks; c += 2) {
    Operands<T> operands;
    operands.read(stage, c);
    phase_barrier();
    set_priority<1>();
    operands.multiply(sums);
    set_priority<0>();
    phase_barrier();
  }
}

/// What a tile's rows are: their common length, and x in one or more pieces whose sum is meant (bf16 parts of f32
/// values), `piece_stride` elements apart.
struct Depth {
  int columns;
  int pieces = 1;
  int64_t piece_stride = 0;
};

/// sums = x w^T. All threads of the block.
template <class T, class RowX, class RowW>
__device__ __forceinline__ void multiply_tile(typename T::Stage& stage, RowX row_x, RowW row_w, Depth depth,
                                              typename T::Sums& sums) {
  RowLoads<T::kTokens, T::kThreads, bf16> x(row_x);
  RowLoads<T::kFeatures, T::kThreads, typename T::Weight> w(row_w);
  // Pieces follow one another at the same columns: w comes from the cache for all but the first.
  const int steps = (depth.columns + kStep - 1) / kStep * depth.pieces;
  const auto load = [&](int step) {
    const int k = step / depth.pieces * kStep;
    x.load(k, depth.columns, step % depth.pieces * depth.piece_stride);
    w.load(k, depth.columns);
  };
  if (steps > 0) load(0);
  if constexpr (T::kTwoGroups) {
    // Two groups of waves, one wave of each on every unit; the second is a phase behind, so one multiplies while the
    // other reads. When the first stores, the second has read the last of the step before; when the first reads, the
    // second has stored.
    const bool second = wave_uniform(T::wave() / T::kUnits) != 0;
    if (second) phase_barrier();
    for (int step = 0; step < steps; ++step) {
      x.store(stage.x);
      w.store(stage.w);
      phase_barrier();
      if (step + 1 < steps) load(step + 1);
      phase_barrier();
      multiply_step_in_phases<T>(stage, sums);
    }
    if (!second) phase_barrier();
  } else {
    for (int step = 0; step < steps; ++step) {
      __syncthreads();  // everybody has read the step before
      x.store(stage.x);
      w.store(stage.w);
      if (step + 1 < steps) load(step + 1);
      __syncthreads();
      multiply_step<T>(stage, sums);
    }
  }
}

/// f(token, feature, values, band, block) for every four neighbouring features of the wave's part; within the tile.
template <class T, class F>
__device__ __forceinline__ void for_each_four(const typename T::Sums& sums, F f) {
  GPU_UNROLL
  for (int i = 0; i < T::kBands; ++i) {
    GPU_UNROLL
    for (int j = 0; j < T::kBlocks; ++j) {
      GPU_UNROLL
      for (int stripe = 0; stripe < 4; ++stripe) {
        const float* s = sums[i][j] + 4 * stripe;
        const float values[4] = {s[0], s[1], s[2], s[3]};
        f(T::first_token() + 32 * j + T::lane() % 32, T::first_feature() + 32 * i + 8 * stripe + T::lane() / 32 * 4,
          values);
      }
    }
  }
}

}  // namespace glmv::GLMV_BACKEND
