// What a configuration comes to: parameters, bytes, cache, arithmetic. No weight is touched.
#pragma once

#include <cstdint>
#include <vector>

#include "reference/model/weights.h"

namespace glmv {

struct ComponentCount {
  Component component;
  int64_t tensors = 0, parameters = 0;
};

struct ModelSummary {
  std::vector<ComponentCount> components;  ///< in checkpoint order, those that occur
  int64_t tensors = 0, parameters = 0;
  int64_t text_parameters = 0, vision_parameters = 0;
  int64_t active_parameters = 0;            ///< per token: decoder layers and final norm, the "12B active"
  int64_t active_parameters_with_head = 0;  ///< and lm_head
  int64_t bytes_as_published = 0;           ///< bf16, correction biases f32
  int64_t kv_values_per_token = 0;          ///< numbers a token leaves in the cache, all layers
  int64_t decoder_flops_per_token = 0;      ///< matrix products of the layers, 2 per multiply-add
  int64_t head_flops_per_row = 0;
  int64_t attention_flops_per_key = 0;  ///< of one token, per key it sees, all layers
  int64_t vision_flops_per_patch = 0;   ///< matrix products of tower and merger, without attention
};
ModelSummary summarise(const ModelConfig& config);

}  // namespace glmv
