// Plan of the tuned attention kernels: which one takes a call, its tiles, splits, scratch and shared memory. It looks
// at extents only, because lengths lie on the device and an op may not wait for them; what depends on lengths is a few
// functions here that the kernels call too.
//
// A kv head is read by `group` query heads. A row is one (query, query head of the group); a query takes `pitch` rows,
// of which the last pitch - group are empty. A tile is `rows` rows of one sequence and one kv head, and a grid has a
// block for every tile that there can be: sequence b begins at tile first(cu_seqlens[b], b).
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/plan/device.h"
#include "reference/attention.h"

namespace glmv::cuda_plan {

enum class AttentionPath : uint8_t {
  nothing,  ///< no query
  naive,    ///< the plain rung: f32, odd head widths, unaligned rows
  prefill,  ///< cuda/attention.cu
  decode,   ///< cuda/attention_decode.cu
};

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
      (first(cu_seqlens[middle], middle) <= tile ? low : high) = middle;
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

struct AttentionPlan {
  AttentionPath path = AttentionPath::nothing;
  const char* rule = "";  ///< why
  RowTiles tiling;
  int tiles = 0;             ///< of one kv head
  int row_blocks = 1;        ///< of 16 rows, that a warp has; 1 or 2
  int splits = 1;            ///< of the keys of a tile; decode only
  size_t shared_bytes = 0;   ///< of a block
  size_t scratch_bytes = 0;  ///< without the naive path's
};

constexpr int kWarps = 4;                             ///< of a block
constexpr int kWarpRows = 16;                         ///< of an mma tile
constexpr int kPrefillRows = kWarps * kWarpRows;      ///< of a tile, times row_blocks
constexpr int kPrefillKeys = 32, kPrefillStages = 2;  ///< keys of a stage
constexpr int kDecodeRows = kWarpRows;                ///< of a tile: all warps have the same
constexpr int kDecodeKeys = 64, kDecodeStages = 3;    ///< keys of a stage: 16 for each warp
constexpr int kMostSplits = 64;

/// Elements from one row of queries, keys or values to the next in shared memory: 16 bytes more than the head is wide.
/// A head is an even number of 16-byte chunks, so the same chunk of eight neighbouring rows lies in eight different
/// groups of four banks.
GLMV_HD constexpr int row_elements(int width) { return width + 8; }

/// Error: extents that exceed the kernels' 32-bit row numbers.
AttentionPlan plan_attention(const AttentionArgs& a, const Device& device);

}  // namespace glmv::cuda_plan
