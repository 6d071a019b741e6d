#include "reference/model/summary.h"

#include <algorithm>

namespace glmv {
namespace {

int64_t elements(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (const int64_t d : shape) n *= d;
  return n;
}

void count(ModelSummary& s, const WeightInfo& info, int64_t parameters) {
  auto at = std::find_if(s.components.begin(), s.components.end(),
                         [&](const ComponentCount& c) { return c.component == info.component; });
  if (at == s.components.end()) at = s.components.insert(at, ComponentCount{info.component});
  at->tensors += 1;
  at->parameters += parameters;
}

/// Is all of the tensor met by every token? Of routed experts a token meets K in E; they are counted apart.
bool always_active(Component c) {
  return c != Component::vision && c != Component::token_embedding && c != Component::lm_head &&
         c != Component::routed_experts;
}

}  // namespace

ModelSummary summarise(const ModelConfig& config) {
  const TextConfig& c = config.text;
  const VisionConfig& v = config.vision;
  ModelSummary s;
  Weights nothing;
  int64_t routed = 0, vision_macs = 0;
  // Of a vision matrix's rows one patch meets all; of the head after the 2x2 merge one patch in merge^2 does.
  const int64_t cells = v.spatial_merge_size * v.spatial_merge_size;
  for_each_weight(config, nothing, [&](const WeightInfo& info, Weight&) {
    const int64_t n = elements(info.shape);
    count(s, info, n);
    ++s.tensors;
    s.parameters += n;
    (info.component == Component::vision ? s.vision_parameters : s.text_parameters) += n;
    const bool exact = info.name.ends_with("e_score_correction_bias");
    s.bytes_as_published += n * (exact ? 4 : 2);
    const bool matrix = info.shape.size() >= 2;
    if (info.component == Component::routed_experts) routed += n;
    if (always_active(info.component)) s.active_parameters += n;
    if (always_active(info.component) && matrix) s.decoder_flops_per_token += 2 * n;
    if (info.component == Component::lm_head) s.head_flops_per_row = 2 * n;
    if (info.component == Component::vision && matrix && info.name.find("position_embedding") == std::string::npos) {
      const bool merged =
          info.name.find("merger") != std::string::npos || info.name.find("downsample") != std::string::npos;
      vision_macs += merged ? n / cells : n;
    }
  });
  const int64_t routed_active = c.num_experts > 0 ? routed / c.num_experts * c.num_experts_per_tok : 0;
  s.active_parameters += routed_active;
  s.decoder_flops_per_token += 2 * routed_active;
  if (s.head_flops_per_row == 0) s.head_flops_per_row = 2 * c.vocab_size * c.hidden_size;  // tied to the embedding
  s.active_parameters_with_head = s.active_parameters + s.head_flops_per_row / 2;
  s.kv_values_per_token = 2 * c.num_kv_heads * c.head_dim * c.num_layers;
  s.attention_flops_per_key = 4 * c.num_heads * c.head_dim * c.num_layers;
  s.vision_flops_per_patch = 2 * vision_macs;
  return s;
}

}  // namespace glmv
