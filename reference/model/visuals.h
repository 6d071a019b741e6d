// A prompt's pictures and clips as rows of the language model.
#pragma once

#include "reference/model/prompt.h"
#include "reference/model/vision.h"

namespace glmv {

/// Patches of all pictures, then of all clips: f32 [P, C*T*P*P]; and their grids in the same order.
Tensor visual_pixels(const Prompt& prompt);
std::vector<Grid> visual_grids(const Prompt& prompt);

/// For feature i (pictures first): which visual token of the prompt, counted in prompt order, it belongs to.
std::vector<int32_t> visual_order(const Prompt& prompt);

/// Features of all pictures and clips in the order in which their tokens stand in the prompt, made in `memory`; an
/// empty view if there are none. [visual tokens, H].
TensorView encode_visuals(const Context& ctx, const ModelConfig& config, const VisionWeights& weights,
                          const Prompt& prompt, DType activation, Arena& memory);

}  // namespace glmv
