// How a linear is run: by which kernel, in which tiles, on how many blocks, and with how much memory.
//
// out[T, N] = x[T, K] w[N, K]^T, by T:
//   gemv     T = 1         one warp per two weight rows, no tensor cores: the time is that of reading w
//   skinny   2 <= T <= 64  weights are the M operand of the mma and are read once, tokens are N; where N is too small
//                          to fill the device, K is cut into slices whose sums are added by a second kernel
//   dense    T > 64        tiles of x times tiles of w; w is read again for every group of row tiles, from L2
//   codes    FP8 weights: rows like gemv up to 4 tokens, else the tiles of the grouped experts
//   naive    what has_fast_path and reads_codes refuse
#pragma once

#include <cstdint>

#include "cuda/plan/device.h"
#include "gpu/plan/moe.h"
#include "reference/core/dtype.h"
#include "reference/linear.h"

namespace glmv::cuda_plan {

using gpu_plan::ceil_div;

enum class LinearPath : uint8_t { naive, gemv, skinny, dense, codes_few, codes_tiles };
const char* name_of(LinearPath p);

/// Extents of a block's tile in elements, and how many of them are in flight.
struct Tile {
  int rows;     ///< of x (dense) or of w (skinny)
  int columns;  ///< of out: rows of w (dense) or tokens (skinny)
  int depth;    ///< along K, per stage
  int stages;

  /// Shared memory of the pipeline: `stages` times both operands in bf16.
  constexpr size_t shared_bytes() const {
    return static_cast<size_t>(stages) * static_cast<size_t>(rows + columns) * static_cast<size_t>(depth) * 2;
  }
};

// Four warps each. Large: 64 KiB, two blocks per multiprocessor from sm_80 on. Small: 48 KiB, no opt-in needed.
constexpr Tile kDenseLarge = {128, 128, 32, 4};
constexpr Tile kDenseSmall = {64, 64, 64, 3};
/// Every block reads all of x, from L2: with 64 rows of w per block, 64 tokens would double what L2 must deliver. So
/// many tokens get 128 rows. 60 to 80 KiB each, of which 40 to 60 are weights: two blocks per multiprocessor from sm_80
/// on.
constexpr Tile skinny_tile(int tokens) {
  return {tokens >= 32 ? 128 : 64, tokens, 64, tokens == 64 ? 3 : tokens == 32 ? 4 : 6};
}
constexpr int kSkinnyTokens[] = {8, 16, 32, 64};  ///< the tiles there are, ascending
constexpr int kGemvRows = 8;                      ///< weight rows per block: four warps of two
constexpr int kLinearThreads = 128;               ///< of every kernel of the family but codes_tiles
constexpr int64_t kFewTokens = 4;                 ///< of codes_few

struct LinearPlan {
  LinearPath path = LinearPath::naive;
  Tile tile = {0, 0, 0, 0};  ///< skinny and dense
  int blocks = 0;            ///< tiles, or groups of rows; times `splits` in all. codes_tiles: tiles of tokens
  int splits = 1;            ///< slices of K
  int steps_per_split = 0;   ///< slices of `depth` that one of them takes; the last may have fewer
  size_t shared_bytes = 0;   ///< dynamic, per block
  size_t scratch_bytes = 0;  ///< f32 [splits, T, N] where splits > 1
  bool wide_stores = false;  ///< out takes 16-byte stores: N, row stride and address allow it
};

/// True for what the tuned kernels read and write:
///   x bf16, w plain bf16, out and bias bf16 or f32;
///   K a positive multiple of 8, so that rows are whole 16-byte chunks;
///   x and w 16-byte aligned, with rows that start at multiples of 8 elements and have adjacent elements.
bool has_fast_path(const LinearArgs& a);

/// The same for FP8 weights: x, out and bias as above; codes 16-byte aligned, K and their row stride multiples of 16,
/// f32 scales. Everything else (f32 activations, f32 and f16 weights, odd K) goes to the naive rung.
bool reads_codes(const LinearArgs& a);

/// Error, before anything is launched: extents beyond 32 bits, a tile that the device has no shared memory for.
LinearPlan plan_linear(const LinearArgs& a, const Device& device);

/// The order in which blocks take the tiles of the dense kernel: groups of eight row tiles are walked column by column,
/// so the blocks that run at one time share their columns of w, and these come from L2 for seven of eight.
struct TileOrder {
  static constexpr int kGroup = 8;
  struct Place {
    int row, column;
  };
  int row_tiles, column_tiles;

  GLMV_HD constexpr Place at(int number) const {
    const int per_group = kGroup * column_tiles, first = number / per_group * kGroup;
    const int rows = row_tiles - first < kGroup ? row_tiles - first : kGroup;
    return {first + number % per_group % rows, number % per_group / rows};
  }
};

}  // namespace glmv::cuda_plan
