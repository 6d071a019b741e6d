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

#include "hip/plan/device.h"
#include "reference/attention.h"

namespace glmv::hip_plan {

enum class AttentionPath : uint8_t {
  nothing,  ///< no query
  naive,    ///< the plain rung: f32, odd head widths, unaligned rows; every call on a device without MFMA
  prefill,  ///< hip/attention.hip
  decode,   ///< hip/attention_decode.hip
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
      if (first(cu_seqlens[middle], middle) <= tile) {
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

struct AttentionPlan {
  AttentionPath path = AttentionPath::nothing;
  const char* rule = "";  ///< why
  RowTiles tiling;
  int tiles = 0;             ///< of one kv head
  int row_blocks = 1;        ///< of 16 rows, that a wave has; 1 or 2
  int splits = 1;            ///< of the keys of a tile; decode only
  size_t scratch_bytes = 0;  ///< without the naive path's
};

constexpr int kWaves = 4;                         ///< of a block
constexpr int kWaveRows = 16;                     ///< columns of an MFMA
constexpr int kGroupKeys = 16;                    ///< rows of an MFMA
constexpr int kPrefillRows = kWaves * kWaveRows;  ///< of a tile, times row_blocks
constexpr int kPrefillKeys = 32;                  ///< that all waves of a block take between two barriers
constexpr int kDecodeRows = kWaveRows;            ///< of a tile: all waves have the same
constexpr int kMostSplits = 64;

/// Elements from one row of keys or values to the next in shared memory: 16 bytes more than the head is wide, so that
/// the same chunk of neighbouring rows lies in different banks.
GLMV_HD constexpr int row_elements(int width) { return width + 8; }

/// Error: extents that exceed the kernels' 32-bit row numbers.
AttentionPlan plan_attention(const AttentionArgs& a, const Device& device);

}  // namespace glmv::hip_plan
