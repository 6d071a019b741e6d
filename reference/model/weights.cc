#include "reference/model/weights.h"

#include <cstring>
#include <set>

namespace glmv {
namespace {

using Visit = std::function<void(const WeightInfo&, Weight&)>;
using Shape = std::vector<int64_t>;

/// Walks the tensors under one prefix.
struct Walker {
  const Visit& f;
  std::string prefix;
  Component component;
  int64_t layer = -1;

  void operator()(const char* name, const Shape& shape, Weight& slot) const {
    f({prefix + name, shape, component, layer}, slot);
  }
  Walker as(Component c) const { return {f, prefix, c, layer}; }
  Walker under(const std::string& name) const { return {f, prefix + name, component, layer}; }
};

void walk_gated_mlp(const Walker& w, int64_t hidden, int64_t width, MlpWeights& mlp) {
  w("gate_proj.weight", {width, hidden}, mlp.gate);
  w("up_proj.weight", {width, hidden}, mlp.up);
  w("down_proj.weight", {hidden, width}, mlp.down);
}

void walk_attention(const Walker& w, const TextConfig& c, TextLayerWeights& layer) {
  const int64_t q = c.num_heads * c.head_dim, kv = c.num_kv_heads * c.head_dim;
  w("q_proj.weight", {q, c.hidden_size}, layer.q);
  w("q_proj.bias", {q}, layer.q_bias);
  w("k_proj.weight", {kv, c.hidden_size}, layer.k);
  w("k_proj.bias", {kv}, layer.k_bias);
  w("v_proj.weight", {kv, c.hidden_size}, layer.v);
  w("v_proj.bias", {kv}, layer.v_bias);
  w("o_proj.weight", {c.hidden_size, q}, layer.o);
}

void walk_moe(const Walker& w, const TextConfig& c, MoeWeights& moe) {
  const auto experts = static_cast<size_t>(c.num_experts);
  w.as(Component::router)("gate.weight", {c.num_experts, c.hidden_size}, moe.gate);
  w.as(Component::router)("gate.e_score_correction_bias", {c.num_experts}, moe.correction_bias);
  moe.expert_gate.resize(experts);
  moe.expert_up.resize(experts);
  moe.expert_down.resize(experts);
  for (size_t e = 0; e < experts; ++e) {
    const Walker expert = w.as(Component::routed_experts).under(concat("experts.", e, '.'));
    expert("gate_proj.weight", {c.moe_intermediate_size, c.hidden_size}, moe.expert_gate[e]);
    expert("up_proj.weight", {c.moe_intermediate_size, c.hidden_size}, moe.expert_up[e]);
    expert("down_proj.weight", {c.hidden_size, c.moe_intermediate_size}, moe.expert_down[e]);
  }
  walk_gated_mlp(w.as(Component::shared_experts).under("shared_experts."), c.hidden_size,
                 c.moe_intermediate_size * c.num_shared_experts, moe.shared);
}

void walk_layer(const Walker& w, const ModelConfig& config, TextLayerWeights& layer) {
  const TextConfig& c = config.text;
  const Walker norms = w.as(Component::layer_norms);
  norms("input_layernorm.weight", {c.hidden_size}, layer.input_norm);
  walk_attention(w.as(Component::attention).under("self_attn."), c, layer);
  if (config.family == Family::dense) {
    norms("post_self_attn_layernorm.weight", {c.hidden_size}, layer.post_self_attn_norm);
    norms("post_mlp_layernorm.weight", {c.hidden_size}, layer.post_mlp_norm);
  }
  norms("post_attention_layernorm.weight", {c.hidden_size}, layer.post_attention_norm);
  const Walker mlp = w.as(Component::dense_mlp).under("mlp.");
  if (c.is_moe_layer(w.layer)) {
    walk_moe(mlp, c, layer.moe);
  } else if (config.family == Family::dense) {
    mlp("gate_up_proj.weight", {2 * c.intermediate_size, c.hidden_size}, layer.mlp.gate_up);
    mlp("down_proj.weight", {c.hidden_size, c.intermediate_size}, layer.mlp.down);
  } else {
    walk_gated_mlp(mlp, c.hidden_size, c.intermediate_size, layer.mlp);
  }
}

void walk_vision(const Visit& f, const VisionConfig& c, VisionWeights& v) {
  const Walker w{f, "model.visual.", Component::vision};
  const int64_t width = c.hidden_size, out = c.out_hidden_size;
  w("patch_embed.proj.weight", {width, c.in_channels, c.temporal_patch_size, c.patch_size, c.patch_size},
    v.patch_embed);
  w("patch_embed.proj.bias", {width}, v.patch_embed_bias);
  w("post_conv_layernorm.weight", {width}, v.post_conv_norm);
  w("embeddings.position_embedding.weight", {c.table_side() * c.table_side(), width}, v.position_table);
  v.blocks.resize(static_cast<size_t>(c.depth));
  for (int64_t i = 0; i < c.depth; ++i) {
    VisionBlockWeights& block = v.blocks[static_cast<size_t>(i)];
    const Walker b{f, concat("model.visual.blocks.", i, '.'), Component::vision, i};
    b("norm1.weight", {width}, block.norm1);
    b("norm2.weight", {width}, block.norm2);
    b("attn.qkv.weight", {3 * width, width}, block.qkv);
    b("attn.proj.weight", {width, width}, block.proj);
    walk_gated_mlp(b.under("mlp."), width, out, block.mlp);
  }
  w("post_layernorm.weight", {width}, v.post_norm);
  w("downsample.weight", {out, width, c.spatial_merge_size, c.spatial_merge_size}, v.downsample);
  w("downsample.bias", {out}, v.downsample_bias);
  w("merger.proj.weight", {out, out}, v.merger_proj);
  w("merger.post_projection_norm.weight", {out}, v.merger_norm);
  w("merger.post_projection_norm.bias", {out}, v.merger_norm_bias);
  walk_gated_mlp(w.under("merger."), out, c.intermediate_size, v.merger_mlp);
}

}  // namespace

const char* name_of(Component c) {
  switch (c) {
    case Component::token_embedding: return "token embedding";
    case Component::lm_head: return "lm_head";
    case Component::attention: return "attention";
    case Component::layer_norms: return "layer norms";
    case Component::dense_mlp: return "dense MLP";
    case Component::routed_experts: return "routed experts";
    case Component::shared_experts: return "shared experts";
    case Component::router: return "routers";
    case Component::final_norm: return "final norm";
    case Component::vision: return "vision";
  }
  return "?";
}

void for_each_weight(const ModelConfig& config, Weights& weights, const Visit& f) {
  const TextConfig& c = config.text;
  const Walker root{f, "", Component::token_embedding};
  if (!c.tie_word_embeddings)
    root.as(Component::lm_head)("lm_head.weight", {c.vocab_size, c.hidden_size}, weights.lm_head);
  root("model.language_model.embed_tokens.weight", {c.vocab_size, c.hidden_size}, weights.embed_tokens);
  weights.layers.resize(static_cast<size_t>(c.num_layers));
  for (int64_t i = 0; i < c.num_layers; ++i) {
    const Walker layer{f, concat("model.language_model.layers.", i, '.'), Component::attention, i};
    walk_layer(layer, config, weights.layers[static_cast<size_t>(i)]);
  }
  root.as(Component::final_norm)("model.language_model.norm.weight", {c.hidden_size}, weights.norm);
  walk_vision(f, config.vision, weights.vision);
}

namespace {

std::string print(const Shape& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += concat(i ? "," : "", shape[i]);
  return out + "]";
}

/// The fused spelling of one expert's matrix: which tensor, and which rows of expert e it holds.
struct FusedExpert {
  std::string name;
  int64_t expert = 0;
  bool up = false;
};

/// "...experts.7.up_proj.weight" -> {"...experts.gate_up_proj", 7, true}; no name if it is not an expert's.
FusedExpert fused_expert(const std::string& name) {
  const auto at = name.find(".experts.");
  if (at == std::string::npos) return {};
  const auto number = at + std::strlen(".experts.");
  const auto dot = name.find('.', number);
  const std::string projection = name.substr(dot + 1);
  const std::string fused = projection == "down_proj.weight" ? "down_proj" : "gate_up_proj";
  return {name.substr(0, number) + fused, std::stoll(name.substr(number, dot - number)),
          projection == "up_proj.weight"};
}

class Binder {
 public:
  explicit Binder(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  void bind(const WeightInfo& info, Weight& slot) {
    const ConstTensorView v = find(info);
    check_dtype(info, v);
    slot = {};
    slot.data = v;
    if (v.dtype == DType::f8e4m3) bind_scale(info, slot);
  }
  /// Tensors of the checkpoint that were bound.
  const std::set<std::string>& used() const { return used_; }

 private:
  ConstTensorView find(const WeightInfo& info) {
    if (checkpoint_.has(info.name)) {
      used_.insert(info.name);
      const ConstTensorView v = checkpoint_.get(info.name);
      check_shape(info.name, v, info.shape);
      return v;
    }
    const FusedExpert fused = fused_expert(info.name);
    for (const char* suffix : {"", ".weight"}) {
      if (!fused.name.empty() && checkpoint_.has(fused.name + suffix))
        return find_fused(info, fused, fused.name + suffix);
    }
    input_error(checkpoint_.dir(), ": tensor ", info.name, " ", print(info.shape), " is missing",
                fused.name.empty() ? "" : concat(" (neither is its fused form ", fused.name, ')'));
  }

  ConstTensorView find_fused(const WeightInfo& info, const FusedExpert& fused, const std::string& name) {
    used_.insert(name);
    const ConstTensorView all = checkpoint_.get(name);
    const bool stacked = fused.name.ends_with("gate_up_proj");
    const int64_t rows = info.shape[0], held = stacked ? 2 * rows : rows;
    if (all.rank != 3 || all.dim[0] <= fused.expert || all.dim[1] != held || all.dim[2] != info.shape[1]) {
      input_error(checkpoint_.dir(), ": tensor ", name, " is ", all, ", expected [experts,", held, ',', info.shape[1],
                  ']');
    }
    const ConstTensorView expert = reshape(slice(all, 0, fused.expert, fused.expert + 1), {held, info.shape[1]});
    const int64_t first = fused.up ? rows : 0;
    return slice(expert, 0, first, first + rows);
  }

  void check_shape(const std::string& name, const ConstTensorView& v, const Shape& shape) const {
    bool equal = v.rank == static_cast<int>(shape.size());
    for (int i = 0; equal && i < v.rank; ++i) equal = v.dim[i] == shape[static_cast<size_t>(i)];
    if (!equal)
      input_error(checkpoint_.dir(), ": tensor ", name, " is ", v, ", the configuration wants ", print(shape));
  }

  void check_dtype(const WeightInfo& info, const ConstTensorView& v) const {
    const bool plain =
        v.dtype == DType::f64 || v.dtype == DType::f32 || v.dtype == DType::f16 || v.dtype == DType::bf16;
    const bool fp8_matrix = v.dtype == DType::f8e4m3 && v.rank == 2;
    if (!plain && !fp8_matrix) {
      input_error(checkpoint_.dir(), ": tensor ", info.name, " has dtype ", name_of(v.dtype), ", which is no weight");
    }
  }

  void bind_scale(const WeightInfo& info, Weight& slot) {
    const std::string name = info.name + "_scale";
    if (!checkpoint_.has(name))
      input_error(checkpoint_.dir(), ": tensor ", info.name, " is f8e4m3 but ", name, " is missing");
    used_.insert(name);
    slot.format = Format::fp8_per_row;
    slot.scale = checkpoint_.get(name);
    check_shape(name, slot.scale, {info.shape[0], 1});
  }

  const Checkpoint& checkpoint_;
  std::set<std::string> used_;
};

/// [out, C, 2, 2] -> [out, 2*2*C]: the tower hands over four rows of C, so channels must be the fast axis.
Weight repack_downsample(const Weight& w, std::vector<Tensor>& owned) {
  const int64_t out = w.data.dim[0], channels = w.data.dim[1], cells = w.data.dim[2] * w.data.dim[3];
  const ConstTensorView flat = reshape(w.data, {out, channels, cells});
  ConstTensorView turned = flat;
  std::swap(turned.dim[1], turned.dim[2]);
  std::swap(turned.stride[1], turned.stride[2]);
  Tensor copy(w.data.dtype, {out, cells, channels});
  convert(turned, copy.view);
  owned.push_back(copy);
  Weight packed;
  packed.data = reshape(copy.view, {out, cells * channels});
  return packed;
}

void split_gate_up(MlpWeights& mlp) {
  const int64_t width = mlp.gate_up.rows() / 2;
  const auto half = [&](int64_t first) {
    Weight w = mlp.gate_up;
    w.data = slice(w.data, 0, first, first + width);
    if (w.scale) w.scale = slice(w.scale, 0, first, first + width);
    return w;
  };
  mlp.gate = half(0);
  mlp.up = half(width);
}

}  // namespace

Weights load_weights(const ModelConfig& config, const Checkpoint& checkpoint) {
  Weights weights;
  Binder binder(checkpoint);
  for_each_weight(config, weights, [&](const WeightInfo& info, Weight& slot) { binder.bind(info, slot); });
  adapt_weights(config, weights);
  return weights;
}

void adapt_weights(const ModelConfig& config, Weights& weights) {
  VisionWeights& v = weights.vision;
  if (v.patch_embed) {
    v.patch_embed.data = reshape(v.patch_embed.data, {config.vision.hidden_size, config.vision.patch_numbers()});
  }
  if (v.downsample) v.downsample = repack_downsample(v.downsample, weights.owned);
  for (TextLayerWeights& layer : weights.layers) {
    if (layer.mlp.gate_up) split_gate_up(layer.mlp);
  }
  if (config.text.tie_word_embeddings) weights.lm_head = weights.embed_tokens;
}

std::vector<std::string> unused_tensors(const ModelConfig& config, const Checkpoint& checkpoint) {
  Weights weights;
  Binder binder(checkpoint);
  for_each_weight(config, weights, [&](const WeightInfo& info, Weight& slot) { binder.bind(info, slot); });
  std::vector<std::string> unused;
  for (const std::string& name : checkpoint.names()) {
    if (binder.used().count(name) == 0) unused.push_back(name);
  }
  return unused;
}

}  // namespace glmv
