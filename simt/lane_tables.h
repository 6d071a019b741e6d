// Which element of which matrix a lane holds, for the matrix instructions that are emulated.
//
// "a(l, i)" is the place in A [M, K] of value i of lane l, counted from the low bits of its first register; likewise B
// [K, N] and C = D [M, N]. NVIDIA's lanes keep pairs of neighbours of a row; AMD's keep a column.
#pragma once

#include <cstdint>

namespace glmv::simt {

struct Cell {
  unsigned row, column;
};

/// mma.sync m16n8k16, 16-bit inputs.
struct MmaM16N8K16 {
  static constexpr unsigned kLanes = 32, kM = 16, kN = 8, kK = 16;
  static constexpr unsigned kA = 8, kB = 4, kC = 4;  // values per lane
  static constexpr Cell a(unsigned l, unsigned i) {
    return {l / 4 + 8 * (i / 2 % 2), 2 * (l % 4) + i % 2 + 8 * (i / 4)};
  }
  static constexpr Cell b(unsigned l, unsigned i) { return {2 * (l % 4) + i % 2 + 8 * (i / 2), l / 4}; }
  static constexpr Cell c(unsigned l, unsigned i) { return {l / 4 + 8 * (i / 2), 2 * (l % 4) + i % 2}; }
};

/// mma.sync m16n8k32, 8-bit inputs: as above with groups of four along K instead of two.
struct MmaM16N8K32 {
  static constexpr unsigned kLanes = 32, kM = 16, kN = 8, kK = 32;
  static constexpr unsigned kA = 16, kB = 8, kC = 4;
  static constexpr Cell a(unsigned l, unsigned i) {
    return {l / 4 + 8 * (i / 4 % 2), 4 * (l % 4) + i % 4 + 16 * (i / 8)};
  }
  static constexpr Cell b(unsigned l, unsigned i) { return {4 * (l % 4) + i % 4 + 16 * (i / 4), l / 4}; }
  static constexpr Cell c(unsigned l, unsigned i) { return MmaM16N8K16::c(l, i); }
};

/// MFMA of a wave of 64 on square tiles: the wave is 64 / Size groups; the groups split K for the inputs (kA
/// neighbours each) and rows, four at a time, for the output. A lane keeps one column of D.
template <unsigned Size, unsigned K>
struct Mfma {
  static constexpr unsigned kLanes = 64, kM = Size, kN = Size, kK = K;
  static constexpr unsigned kGroups = kLanes / Size;
  static constexpr unsigned kA = K / kGroups, kB = kA, kC = Size * Size / kLanes;
  static constexpr Cell a(unsigned l, unsigned i) { return {l % Size, kA * (l / Size) + i}; }
  static constexpr Cell b(unsigned l, unsigned i) { return {kA * (l / Size) + i, l % Size}; }
  static constexpr Cell c(unsigned l, unsigned i) { return {4 * kGroups * (i / 4) + 4 * (l / Size) + i % 4, l % Size}; }
};

/// ldmatrix: 8x8 tiles of 16-bit values; lane l of the result holds the two neighbours (l / 4, 2 * (l % 4)) of the
/// tile, or of the transposed tile.
struct Ldmatrix {
  static constexpr Cell value(unsigned l, unsigned i, bool transposed) {
    const Cell c = {l / 4, 2 * (l % 4) + i};
    return transposed ? Cell{c.column, c.row} : c;
  }
};

}  // namespace glmv::simt
