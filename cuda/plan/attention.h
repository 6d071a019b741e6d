// Plan of the tuned attention kernels: which one takes a call, its tiles, splits, scratch and shared memory. It looks
// at extents only, because lengths lie on the device and an op may not wait for them; what depends on lengths is a few
// functions here that the kernels call too. Rows and tiles: gpu/plan/row_tiles.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/plan/device.h"
#include "gpu/plan/row_tiles.h"
#include "reference/attention.h"

namespace glmv::cuda_plan {

enum class AttentionPath : uint8_t {
  nothing,  ///< no query
  naive,    ///< the plain rung: f32, odd head widths, unaligned rows
  prefill,  ///< cuda/attention.cu
  decode,   ///< cuda/attention_decode.cu
};

using gpu_plan::KeyRange;
using gpu_plan::kSmallestSplit;
using gpu_plan::kSplitStep;
using gpu_plan::RowTiles;
using gpu_plan::split_share;

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
