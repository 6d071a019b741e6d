// Plan of the tuned attention kernels: which one takes a call, its tiles, splits, scratch and shared memory. It looks
// at extents only, because lengths lie on the device and an op may not wait for them; what depends on lengths is a few
// functions here that the kernels call too. Rows and tiles: gpu/plan/row_tiles.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gpu/plan/row_tiles.h"
#include "hip/plan/device.h"
#include "reference/attention.h"

namespace glmv::hip_plan {

enum class AttentionPath : uint8_t {
  nothing,  ///< no query
  naive,    ///< the plain rung: f32, odd head widths, unaligned rows; every call on a device without MFMA
  prefill,  ///< hip/attention.hip
  decode,   ///< hip/attention_decode.hip
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
  int tile_blocks = 1;       ///< of kPrefillRows rows, in a tile; 1 or kLargeTile
  int splits = 1;            ///< of the keys of a tile; decode only
  size_t scratch_bytes = 0;  ///< without the naive path's
};

constexpr int kWaves = 4;                         ///< of a block
constexpr int kWaveRows = 16;                     ///< columns of an MFMA
constexpr int kGroupKeys = 16;                    ///< rows of an MFMA
constexpr int kPrefillRows = kWaves * kWaveRows;  ///< of a tile, times tile_blocks
constexpr int kLargeTile = 4;                     ///< two groups of kWaves waves, with two blocks of rows each
constexpr int kPrefillKeys = 32;                  ///< that all waves of a block take between two barriers
constexpr int kDecodeRows = kWaveRows;            ///< of a tile: all waves have the same
constexpr int kMostSplits = 64;

/// Elements from one row of keys or values to the next in shared memory: 16 bytes more than the head is wide, so that
/// the same chunk of neighbouring rows lies in different banks.
GLMV_HD constexpr int row_elements(int width) { return width + 8; }

/// Error: extents that exceed the kernels' 32-bit row numbers.
AttentionPlan plan_attention(const AttentionArgs& a, const Device& device);

}  // namespace glmv::hip_plan
