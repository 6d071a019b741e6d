// Rows of attention in tiles, and keys in splits: what depends on lengths, which lie on the device, so that kernels
// call it as planners do.
//
// A kv head is read by `group` query heads. A row is one (query, query head of the group); a query takes `pitch` rows,
// of which the last pitch - group are empty. A tile is `rows` rows of one sequence and one kv head, and a grid has a
// block for every tile that there can be: sequence b begins at tile first(cu_seqlens[b], b).
#pragma once

#include <cstdint>

#include "reference/core/view.h"

namespace glmv::gpu_plan {

struct RowTiles {
  int pitch = 1;  ///< rows a query takes
  int rows = 16;  ///< of a tile

  /// First tile of a sequence. Where a query fills whole tiles there is no gap; else each sequence has one tile more
  /// than its queries need at least, because its last one may be partly empty.
  GLMV_HD int first(int64_t query_0, int sequence) const {
    return static_cast<int>(query_0 * pitch / rows) + (pitch % rows == 0 ? 0 : sequence);
  }
  /// The sequence that owns a tile, 0 <= tile < first(T, B); cu_seqlens is adjacent.
  GLMV_HD int sequence_of(int tile, const int32_t* cu_seqlens, int sequences) const {
    int low = 0, high = sequences;  // first(low) <= tile < first(high)
    while (high - low > 1) {
      const int middle = low + (high - low) / 2;
      if (first(cu_seqlens[middle], middle) <= tile) {  // as an assignment to a choice clang keeps both in memory
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }
};

/// Keys [begin, end).
struct KeyRange {
  int begin, end;
};
constexpr int kSmallestSplit = 128, kSplitStep = 64;
/// The share of one split: equal multiples of 64 keys, at least 128; the last ones may be empty.
GLMV_HD inline KeyRange split_share(int keys, int splits, int split) {
  const int equal = (keys + splits - 1) / splits, least = equal < kSmallestSplit ? kSmallestSplit : equal;
  const int64_t share = int64_t{least + kSplitStep - 1} / kSplitStep * kSplitStep;
  const auto clamped = [&](int64_t s) { return static_cast<int>(s * share < keys ? s * share : keys); };
  return {clamped(split), clamped(split + 1)};
}

}  // namespace glmv::gpu_plan
