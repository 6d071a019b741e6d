#include "crosscheck/upstream.h"

#include <algorithm>
#include <map>

#include "crosscheck/judge.h"
#include "crosscheck/stages.h"

namespace glmv {
namespace {

using Names = std::vector<std::string>;

/// Edges outside of blocks and layers. "block" and "layer" stand for the last of them.
const std::map<std::string_view, Names>& outer_edges() {
  static const std::map<std::string_view, Names> edges = {
      {"model.visual.patch_embed", {"pixel_values"}},
      {"model.visual.post_conv_layernorm", {"model.visual.patch_embed"}},
      {"model.visual.embeddings", {"model.visual.post_conv_layernorm"}},
      {"model.visual.post_layernorm", {"block"}},
      {"model.visual.downsample", {"model.visual.post_layernorm"}},
      {"model.visual.merger", {"model.visual.downsample"}},
      {"model.language_model.rotary.cos", {"position_ids"}},
      {"model.language_model.rotary.sin", {"position_ids"}},
      {"model.language_model.norm", {"layer"}},
      {"logits", {"model.language_model.norm"}},
  };
  return edges;
}

/// Edges inside a block or layer. "in" stands for what came into it, "rotary" for the tables of its tower.
const std::map<std::string_view, Names>& inner_edges() {
  static const std::map<std::string_view, Names> edges = {
      {"norm1", {"in"}},
      {"attn.q", {"norm1"}},
      {"attn.k", {"norm1"}},
      {"attn.v", {"norm1"}},
      {"attn.context", {"attn.q", "attn.k", "attn.v", "rotary"}},
      {"attn", {"attn.context"}},
      {"norm2", {"in", "attn"}},
      {"input_layernorm", {"in"}},
      {"self_attn.q", {"input_layernorm"}},
      {"self_attn.k", {"input_layernorm"}},
      {"self_attn.v", {"input_layernorm"}},
      {"self_attn.q_rot", {"self_attn.q", "rotary"}},
      {"self_attn.k_rot", {"self_attn.k", "rotary"}},
      {"self_attn.context", {"self_attn.q_rot", "self_attn.k_rot", "self_attn.v"}},
      {"self_attn", {"self_attn.context"}},
      {"post_self_attn_layernorm", {"self_attn"}},
      {"mlp.gate.logits", {"post_attention_layernorm"}},
      {"mlp.gate.topk_ids", {"mlp.gate.logits"}},
      {"mlp.gate.topk_weights", {"mlp.gate.logits", "mlp.gate.topk_ids"}},
      {"mlp.experts", {"post_attention_layernorm", "mlp.gate.topk_ids", "mlp.gate.topk_weights"}},
      {"mlp.shared_experts", {"post_attention_layernorm"}},
      {"post_mlp_layernorm", {"mlp"}},
  };
  return edges;
}

/// Edges that depend on the family, or on whether a layer has experts.
Names inner_edges_of(const ModelConfig& config, const LayerPoint& at) {
  const bool tower = at.stem == "model.visual.blocks.", dense = config.family == Family::dense;
  const std::string attention = dense ? "post_self_attn_layernorm" : "self_attn";
  if (at.inner == "post_attention_layernorm") return {"in", attention};
  if (at.inner == "mlp" && tower) return {"norm2"};
  if (at.inner == "mlp" && !config.text.is_moe_layer(at.layer)) return {"post_attention_layernorm"};
  if (at.inner == "mlp") return {"mlp.experts", "mlp.shared_experts"};
  if (at.inner.empty() && tower) return {"in", "attn", "mlp"};
  if (at.inner.empty()) return {"in", attention, dense ? "post_mlp_layernorm" : "mlp"};
  const auto found = inner_edges().find(at.inner);
  return found == inner_edges().end() ? Names{} : found->second;
}

void add(Names& to, Names from) { to.insert(to.end(), from.begin(), from.end()); }

Names in_layer(const ModelConfig& config, const LayerPoint& at) {
  const bool tower = at.stem == "model.visual.blocks.";
  const std::string_view before = tower ? "model.visual.embeddings" : "inputs_embeds";
  const std::string rotary = tower ? "model.visual.rotary." : "model.language_model.rotary.";
  Names out;
  for (const std::string& edge : inner_edges_of(config, at)) {
    if (edge == "in") {
      out.push_back(at.layer == 0 ? std::string(before) : concat(at.stem, at.layer - 1));
    } else if (edge == "rotary") {
      add(out, {rotary + "cos", rotary + "sin"});
    } else {
      out.push_back(concat(at.stem, at.layer, '.', edge));
    }
  }
  return out;
}

Names edges_of(const ModelConfig& config, const std::string& point, bool visual) {
  const LayerPoint at = split_layer(point);
  if (at.layer >= 0) return in_layer(config, at);
  if (point == "inputs_embeds") return visual ? Names{"input_ids", "model.visual.merger"} : Names{"input_ids"};
  if (point.starts_with("model.visual.rotary.")) return {"image_grid_thw"};
  const auto found = outer_edges().find(point);
  Names out = found == outer_edges().end() ? Names{} : found->second;
  for (std::string& name : out) {
    if (name == "block") name = concat("model.visual.blocks.", config.vision.depth - 1);
    if (name == "layer") name = concat("model.language_model.layers.", config.text.num_layers - 1);
  }
  return out;
}

}  // namespace

Names direct_upstream(const ModelConfig& config, const std::string& name, bool visual) {
  const PointName at = split_step(name);
  Names out = edges_of(config, at.point, visual && at.step == 0);
  for (std::string& edge : out) edge = join_step(at.step, edge);
  return out;
}

Upstream upstream_of(const ModelConfig& config, const std::string& name, bool visual,
                     const std::set<std::string>& has) {
  std::set<std::string, ForwardOrder> from, absent;
  Names open = direct_upstream(config, name, visual);
  while (!open.empty()) {
    const std::string next = open.back();
    open.pop_back();
    const Names before = direct_upstream(config, next, visual);
    if (has.count(next) > 0 || before.empty()) {
      from.insert(next);
    } else if (absent.insert(next).second) {
      add(open, before);
    }
  }
  Upstream up{{from.begin(), from.end()}, {absent.begin(), absent.end()}, false};
  up.from_inputs_alone = !up.absent.empty() && std::all_of(up.from.begin(), up.from.end(),
                                                           [](const std::string& n) { return stage_of(n) <= 3; });
  return up;
}

}  // namespace glmv
