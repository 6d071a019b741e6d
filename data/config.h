// config.json of a GLM-V snapshot: both rope layouts, the spellings found in the wild, and nothing guessed.
//
// What the reader does not understand it refuses, with file, field and value. Defaults of the library's classes
// are never used where they differ from the published checkpoints (spec: head_dim, vocab_size, token ids, ...).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace glmv {

enum class Family {
  moe,    ///< model_type glm4v_moe: GLM-4.5V, GLM-4.6V
  dense,  ///< model_type glm4v: GLM-4.1V-9B-Thinking, GLM-4.6V-Flash
};

struct TextConfig {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t intermediate_size = 0;  ///< width of the dense MLP
  float rms_norm_eps = 1e-5f;
  bool attention_bias = true;
  int64_t max_position_embeddings = 0;
  bool tie_word_embeddings = false;

  // Rotary embedding
  double rope_theta = 10000.0;
  int64_t rotary_dim = 0;              ///< R = head_dim * partial_rotary_factor
  std::vector<int64_t> mrope_section;  ///< frequencies per axis T, H, W; sums to R / 2

  // Experts; num_experts is 0 in the dense family
  int64_t num_experts = 0;
  int64_t num_experts_per_tok = 0;
  int64_t num_shared_experts = 0;
  int64_t moe_intermediate_size = 0;
  int64_t first_dense_layers = 0;  ///< first_k_dense_replace
  int64_t n_group = 1;
  int64_t topk_group = 1;
  bool norm_topk_prob = true;
  float routed_scaling_factor = 1.0f;

  bool is_moe_layer(int64_t layer) const { return num_experts > 0 && layer >= first_dense_layers; }
};

struct VisionConfig {
  int64_t depth = 0;
  int64_t hidden_size = 0;
  int64_t num_heads = 0;
  int64_t out_hidden_size = 0;    ///< also the width of the blocks' MLP
  int64_t intermediate_size = 0;  ///< width of the merger's MLP only
  int64_t image_size = 0;
  int64_t patch_size = 0;
  int64_t temporal_patch_size = 0;
  int64_t spatial_merge_size = 0;
  int64_t in_channels = 3;
  float rms_norm_eps = 1e-5f;
  double rope_theta = 10000.0;

  int64_t head_dim() const { return hidden_size / num_heads; }
  /// Numbers in one row of pixel_values: channels * temporal_patch_size * patch_size^2.
  int64_t patch_numbers() const { return in_channels * temporal_patch_size * patch_size * patch_size; }
  /// Side of the learned position table.
  int64_t table_side() const { return image_size / patch_size; }
};

/// quantization_config of the published FP8 checkpoints, as far as it matters for reading weights.
struct QuantizationConfig {
  std::string method;  ///< "" = none
  std::string format;
  int64_t ignored = 0;  ///< entries of its ignore list
};

struct ModelConfig {
  std::string path;          ///< the file it was read from, for messages
  std::string architecture;  ///< as written, e.g. "Glm4vMoeForConditionalGeneration"
  std::string model_type;    ///< top level, as written
  std::string dtype;         ///< dtype or torch_dtype, as written; "" = absent
  std::string rope_layout;   ///< "rope_parameters" or "rope_scaling": which spelling the file uses
  Family family = Family::moe;
  TextConfig text;
  VisionConfig vision;
  QuantizationConfig quantization;
  int64_t image_token_id = -1;
  int64_t video_token_id = -1;
  int64_t image_start_token_id = -1;
  int64_t image_end_token_id = -1;
  int64_t video_start_token_id = -1;
  int64_t video_end_token_id = -1;
  std::vector<int64_t> eos_token_ids;  ///< generation_config.json where it has them, else config.json
  int64_t pad_token_id = -1;
};

/// Reads DIR/config.json, or the file itself. Throws Error (exit code 2 for an unsupported configuration, 3 for a
/// missing or malformed file).
ModelConfig read_config(const std::string& path);

/// Parses the text of a config.json; `path` only serves messages.
ModelConfig parse_config(const std::string& json_text, const std::string& path);

}  // namespace glmv
