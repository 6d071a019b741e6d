// How a linear is run: by which kernel, in which tiles, on how many blocks, and with how much memory.
//
// out[T, N] = x[T, K] w[N, K]^T, by T:
//   gemv     T = 1         a wave per two weight rows, no matrix instructions: the time is that of reading w. Any wave
//                          width
//   skinny   2 <= T <= 64  every byte of w goes once from memory to the registers of the one wave that needs it; where
//                          N is too small to fill the device, K is cut into slices whose sums a second kernel adds
//   dense    T > 64        tiles of x times tiles of w
//   naive    what has_fast_path refuses, and T > 1 on a device without matrix instructions
#pragma once

#include <cstdint>

#include "hip/plan/device.h"
#include "reference/core/dtype.h"
#include "reference/linear.h"

namespace glmv::hip_plan {

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

enum class LinearPath : uint8_t { naive, gemv, skinny, dense };
const char* name_of(LinearPath p);

/// Extents of a block's part of out; a step of it is 64 columns of K.
struct Extents {
  int tokens, features;

  constexpr size_t lds_bytes() const { return static_cast<size_t>(tokens + features) * 64 * 2; }
};
/// Large: all of the LDS of a compute unit and two waves on each of its four units, which have 256 registers each then.
/// Medium: two blocks fit on a compute unit.
constexpr Extents kDenseLarge = {256, 256}, kDenseMedium = {128, 128}, kDenseSmall = {64, 64};
constexpr int kSkinnyTokens[] = {16, 32, 64};          ///< the tiles there are, ascending
constexpr int kSkinnyFeatures = 16, kSkinnyWaves = 4;  ///< of a block: its waves share K
constexpr int kSkinnyStep = 64;                        ///< columns of K that a wave takes at a time: a cache line
constexpr int kGemvWaves = 4, kGemvRows = 2;           ///< of a block, of a wave

struct LinearPlan {
  LinearPath path = LinearPath::naive;
  Extents tile = {0, 0};     ///< skinny and dense
  int blocks = 0;            ///< tiles, or groups of rows; times `splits` in all
  int splits = 1;            ///< slices of K
  int split_columns = 0;     ///< of one of them; the last may have fewer
  size_t scratch_bytes = 0;  ///< f32 [splits, T, N] where splits > 1
  bool wide_stores = false;  ///< fours of out are aligned and never cut
};

/// True for what the tuned kernels read and write:
///   x bf16, w plain bf16, out and bias bf16 or f32;
///   K a positive multiple of 8, so that rows are whole 16-byte chunks;
///   x and w 16-byte aligned, with rows that start at multiples of 8 elements and have adjacent elements.
bool has_fast_path(const LinearArgs& a);

/// Error, before anything is launched: extents beyond 32 bits. `may_split`: there will be scratch memory.
LinearPlan plan_linear(const LinearArgs& a, const Device& device, bool may_split = true);

/// The order in which blocks take the tiles of the dense kernel. The hardware deals consecutive blocks out to its dies,
/// each of which has a cache of its own: a die gets a stretch of neighbouring tiles. Within the stretch groups of eight
/// token tiles are walked feature tile by feature tile, so blocks that run at one time share their rows of w.
struct TileOrder {
  static constexpr int kGroup = 8;
  struct Place {
    int row, column;
  };
  int row_tiles, column_tiles, dies;

  GLMV_HD constexpr Place at(int block) const {
    const int each = row_tiles * column_tiles / dies, more = row_tiles * column_tiles % dies, die = block % dies;
    const int number = die * each + (die < more ? die : more) + block / dies;
    const int per_group = kGroup * column_tiles, first = number / per_group * kGroup;
    const int rows = row_tiles - first < kGroup ? row_tiles - first : kGroup;
    return {first + number % per_group % rows, number % per_group / rows};
  }
};

}  // namespace glmv::hip_plan
