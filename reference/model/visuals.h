// A prompt's pictures and clips as rows of the language model.
#pragma once

#include "reference/model/prompt.h"
#include "reference/model/vision.h"

namespace glmv {

/// Features of all pictures and clips in the order in which their tokens stand in the prompt, made in `memory`; an
/// empty view if there are none. [visual tokens, H].
TensorView encode_visuals(const Context& ctx, const ModelConfig& config, const VisionWeights& weights,
                          const Prompt& prompt, DType activation, Arena& memory);

}  // namespace glmv
