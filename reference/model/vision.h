// The vision tower: patches in, one feature row per 2x2 patches out.
#pragma once

#include "data/config.h"
#include "reference/core/probe.h"
#include "reference/model/positions.h"
#include "reference/model/weights.h"

namespace glmv {

/// Coordinates and tables of all patches of a call, in the backend's memory.
struct PatchStep {
  ConstTensorView positions, extents;  ///< i32 [2, P]: y, x and h, w
  ConstTensorView cu_frames;           ///< i32 [frames + 1]
  ConstTensorView lengths;             ///< i32 [frames]: patches of each frame
  ConstTensorView page_table;          ///< i32 [frames, ...]: where attention finds each frame's keys
  TensorView cos, sin;                 ///< f32 [P, head_dim/2]
};

/// One block: x [P, D] in place.
void vision_block(const Context& ctx, const VisionConfig& config, const VisionBlockWeights& w, int64_t index,
                  const PatchStep& step, const TensorView& x);

/// Coordinates and rotary tables of the patches of `grids`.
PatchStep patch_step(const Context& ctx, const VisionConfig& config, const std::vector<Grid>& grids);

/// pixel_values rows [P, C*T*P*P] in any float type -> x [P, D] of the activation type, as the first block takes it.
TensorView embed_patches(const Context& ctx, const VisionConfig& config, const VisionWeights& w,
                         const ConstTensorView& pixels, const PatchStep& step, DType activation);

/// x [P, D] behind the last block -> features [P/4, out_hidden_size]: the final norm, then merge_patches.
TensorView finish_tower(const Context& ctx, const VisionConfig& config, const VisionWeights& w, const TensorView& x);

/// All of it: pixel_values rows [P, C*T*P*P] in any float type -> features [P/4, out_hidden_size] of the activation
/// type. Clips count frame by frame: attention and position table never cross a frame.
TensorView vision_tower(const Context& ctx, const ModelConfig& config, const VisionWeights& w,
                        const ConstTensorView& pixels, const std::vector<Grid>& grids, DType activation);

/// Downsample and merger: normalised x [P, D], four rows per 2x2 patches -> [P/4, out_hidden_size].
TensorView merge_patches(const Context& ctx, const VisionConfig& config, const VisionWeights& w, const TensorView& x);

}  // namespace glmv
