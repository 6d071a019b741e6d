// Scripts for recordings that start from a prompt.
#pragma once

#include "crosscheck/record.h"

namespace glmv::cli {

/// The prompt followed by `steps` greedy tokens, found by a run of their own where the weights lie.
Script greedy_script(const Model& model, const DeviceWeights::Shared& weights, Prompt prompt, DType activation,
                     int64_t steps);

}  // namespace glmv::cli
