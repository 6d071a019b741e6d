// Where tokens and patches stand: MRoPE position ids of a prompt, patch coordinates of a grid.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "data/config.h"

namespace glmv {

/// (t, h, w) of one picture or clip, counted in patches.
using Grid = std::array<int64_t, 3>;

/// Per token: 0 text, 1 picture, 2 clip. A visual token (image_token_id) belongs to a clip if more
/// begin-of-video than end-of-video ids come before it.
std::vector<int64_t> token_types(const std::vector<int64_t>& ids, const ModelConfig& config);

struct Positions {
  std::vector<std::array<int32_t, 3>> of_token;  ///< (T, H, W) per token
  int64_t rope_delta = 0;  ///< a token generated after n tokens stands at n + rope_delta on all axes
};

/// Position ids of a whole prompt. Text counts up; a run of visual tokens takes the next grid of its type, stands at
/// (cur, cur + row, cur + column) of the merged grid, and text resumes at cur + max(h, w) / merge.
/// Error (exit code 3) if placeholders and grids do not agree in number.
Positions rope_index(const std::vector<int64_t>& ids, const std::vector<Grid>& images, const std::vector<Grid>& videos,
                     const ModelConfig& config);

/// Coordinates of the patches of all grids in tower order: frame by frame, merge block by merge block.
struct PatchPositions {
  std::vector<int32_t> y, x;       ///< per patch, in patches of its frame
  std::vector<int32_t> h, w;       ///< extents of its frame
  std::vector<int32_t> cu_frames;  ///< prefix sums of patches per frame, first element 0
};
PatchPositions patch_positions(const std::vector<Grid>& grids, int64_t merge);

}  // namespace glmv
