// Where 16-byte chunks of a tile lie in shared memory.
//
// A tile has rows of kChunks (4 or 8) chunks. Eight chunks are one pass over the 32 banks, so the eight rows that one
// matrix of an ldmatrix names must lie at eight different places modulo eight chunks. They all want the same chunk of
// their row; exchanging chunks within a row by an exclusive or with something that differs among the eight does it.
// Which eight rows are read together depends on how a kernel numbers its rows: one rule each.
#pragma once

#include "reference/core/dtype.h"

namespace glmv::cuda_plan {

/// For eight neighbours: r .. r + 7, r a multiple of 8.
struct Neighbours {
  template <int Chunks>
  GLMV_HD static constexpr int key(int row) {
    return Chunks == 8 ? row % 8 : row / 2 % 4;  // of four chunks two rows make a pass
  }
};

/// For every second row: r, r + 2 .. r + 14.
struct EverySecond {
  template <int Chunks>
  GLMV_HD static constexpr int key(int row) {
    static_assert(Chunks == 8, "the only depth that is used so");
    return row / 2 % 8;
  }
};

/// For four pairs: r, r + 1, r + 8, r + 9, r + 16, r + 17, r + 24, r + 25, r even.
struct Pairs {
  template <int Chunks>
  GLMV_HD static constexpr int key(int row) {
    return Chunks == 8 ? row % 2 + row / 8 % 4 * 2 : row / 8 % 4;
  }
};

/// Element at which a chunk starts within its tile.
template <class Rule, int Chunks>
GLMV_HD constexpr int chunk_place(int row, int chunk) {
  return 8 * (row * Chunks + (chunk ^ Rule::template key<Chunks>(row)));
}

}  // namespace glmv::cuda_plan
