// A model: what a snapshot on disk holds, or a configuration alone.
#pragma once

#include <string>

#include "reference/model/weights.h"

namespace glmv {

struct Model {
  std::string dir;
  ModelConfig config;
  Checkpoint checkpoint;
  Weights weights;

  /// DIR or org/name[@revision]; weights are mapped, nothing large is read.
  static Model open(const std::string& model);
  /// A configuration without weights, of `layers` decoder layers (0 = as many as it says): for DeviceWeights::random.
  /// `model` may also be a config.json. Error (exit code 2): more layers than the configuration has.
  static Model without_weights(const std::string& model, int64_t layers);
};

/// Throws what is wrong with logits that are no numbers: they come from weights that are none, or from an overflow.
/// Looking through the weights reads all of them, so it is done only now. Error (exit code 3).
[[noreturn]] void refuse_logits(const Model& model, int64_t tokens);

}  // namespace glmv
