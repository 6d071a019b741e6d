// The weights of a model and the one table of their names and shapes.
//
// for_each_weight is walked to load, count, save and fill: nothing else in the project knows Hugging Face names.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/checkpoint.h"
#include "data/config.h"
#include "reference/core/weight.h"

namespace glmv {

/// down( silu(gate x) * up x ). Dense-family files hold gate and up in one matrix: gate rows first, then up rows.
struct MlpWeights {
  Weight gate, up, down;
  Weight gate_up;  ///< dense family only; gate and up are views of it once loaded
};

struct VisionBlockWeights {
  Weight norm1, norm2, qkv, proj;
  MlpWeights mlp;
};

struct VisionWeights {
  Weight patch_embed;       ///< [D, C*T*P*P]: the convolution seen as a matrix
  Weight patch_embed_bias;  ///< [D]
  Weight post_conv_norm;
  Weight position_table;  ///< [side*side, D]
  std::vector<VisionBlockWeights> blocks;
  Weight post_norm;
  Weight downsample;  ///< [out, 4*D], columns (row in block, column in block, channel): repacked from the file
  Weight downsample_bias;
  Weight merger_proj, merger_norm, merger_norm_bias;
  MlpWeights merger_mlp;
};

struct MoeWeights {
  Weight gate;             ///< [E, H]
  Weight correction_bias;  ///< [E], f32
  std::vector<Weight> expert_gate, expert_up, expert_down;
  const void* table = nullptr;  ///< of the experts, see ExpertWeights
  MlpWeights shared;

  ExpertWeights experts() const {
    return {expert_gate.data(), expert_up.data(), expert_down.data(), static_cast<int64_t>(expert_gate.size()), table};
  }
};

struct TextLayerWeights {
  Weight input_norm, post_attention_norm;
  Weight post_self_attn_norm, post_mlp_norm;  ///< dense family only
  Weight q, k, v, o;
  Weight q_bias, k_bias, v_bias;
  MlpWeights mlp;  ///< layers without experts
  MoeWeights moe;  ///< layers with experts
};

struct Weights {
  Weight embed_tokens;
  std::vector<TextLayerWeights> layers;
  Weight norm;
  Weight lm_head;
  VisionWeights vision;
  std::vector<Tensor> owned;  ///< repacked copies that views above point into
};

/// What a parameter belongs to, for `info`.
enum class Component {
  token_embedding,
  lm_head,
  attention,
  layer_norms,
  dense_mlp,
  routed_experts,
  shared_experts,
  router,
  final_norm,
  vision
};
const char* name_of(Component c);

struct WeightInfo {
  std::string name;            ///< on disk
  std::vector<int64_t> shape;  ///< on disk
  Component component;
  int64_t layer = -1;  ///< decoder layer or vision block, -1 outside
};

/// f(info, slot) for every tensor a checkpoint of this configuration has, in file order of the published models.
/// `weights` is resized to the configuration first.
void for_each_weight(const ModelConfig& config, Weights& weights,
                     const std::function<void(const WeightInfo&, Weight&)>& f);

/// Binds every slot to the checkpoint's mapping; per-expert and fused expert names are both understood, FP8 weights
/// take their weight_scale along. Error (exit code 3): a missing tensor, a wrong shape, an unusable dtype.
Weights load_weights(const ModelConfig& config, const Checkpoint& checkpoint);

/// From the slots as a file fills them to what the layers use: convolutions become matrices, gate_up is split, tied
/// weights are shared. Empty slots stay empty.
void adapt_weights(const ModelConfig& config, Weights& weights);

/// Names in the checkpoint that no weight of this configuration uses (the text parent's next-token layer, say).
std::vector<std::string> unused_tensors(const ModelConfig& config, const Checkpoint& checkpoint);

}  // namespace glmv
