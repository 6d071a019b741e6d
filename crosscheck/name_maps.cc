// Patterns match whole names. $1 is a layer. Where a program has no module that returns a point, an equal value stands
// in for it: the input of a layer is the output of the one before, the output of o_proj is that of the attention.
#include "crosscheck/name_maps.h"

#include <algorithm>

#include "crosscheck/names.h"
#include "crosscheck/stages.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using Rules = std::vector<std::string>;

constexpr const char* kText = "model.language_model.layers.$1.";

/// A rule for something inside a text layer; `stem` is what stands before the layer's number.
std::string text(const std::string& stem, const std::string& inner, const std::string& ours) {
  const std::string to = ours.empty() || ours[0] == '@' ? "model.language_model.layers.$1" + ours : kText + ours;
  return "^" + stem + "(\\d+)" + (inner.empty() ? "" : "\\." + inner) + "$=" + to;
}
std::string tower(const std::string& stem, const std::string& inner, const std::string& ours) {
  const std::string dot = ours.empty() || ours[0] == '@' ? "" : ".";
  return "^" + stem + "blocks\\.(\\d+)" + (inner.empty() ? "" : "\\." + inner) + "$=model.visual.blocks.$1" + dot +
         ours;
}
std::string exactly(const std::string& name, const std::string& ours) { return "^" + name + "$=" + ours; }

void append(Rules& rules, const Rules& more) { rules.insert(rules.end(), more.begin(), more.end()); }

/// A tower that keeps the module names of the Hugging Face library; `stem` ends in a dot, `out` is what names of
/// outputs end in.
Rules tower_rules(const std::string& stem, const std::string& out) {
  Rules rules;
  for (const char* name :
       {"patch_embed", "post_conv_layernorm", "embeddings", "post_layernorm", "downsample", "merger"})
    rules.push_back(exactly(concat(stem, name, out), concat("model.visual.", name)));
  rules.push_back(exactly(stem + "patch_embed\\.proj" + out, "model.visual.patch_embed@same"));
  rules.push_back(exactly(stem + "merger\\.down_proj" + out, "model.visual.merger@same"));
  for (const char* inner : {"norm1", "norm2", "attn", "mlp"}) rules.push_back(tower(stem, inner + out, inner));
  rules.push_back(tower(stem, "norm2" + out + "[_.]0", "norm2"));  // a fused norm returns (normed, sum)
  rules.push_back(tower(stem, "attn\\.(?:qkv|qkv_proj)(?:" + out + ")(?:[_.]0)?", "attn.qkv@qkv"));
  rules.push_back(tower(stem, "attn\\.proj" + out + "(?:[_.]0)?", "attn@same"));
  rules.push_back(tower(stem, "mlp\\.down_proj" + out + "(?:[_.]0)?", "mlp@same"));
  rules.push_back("^" + stem + "blocks\\.(\\d+)" + out + "$=model.visual.blocks.$1");
  rules.push_back(tower(stem, "input", "@input"));
  rules.push_back(tower(stem, "attn\\.proj\\.input", "attn.context"));
  return rules;
}

/// Hooks on the library's modules under their own names, and the files of its model debugger.
NameMap transformers_map() {
  const std::string layers = "model\\.language_model\\.layers\\.", visual = "model\\.visual\\.", out = "(?:_outputs)?";
  Rules rules = tower_rules(visual, out);
  append(
      rules,
      {
          tower(visual, "attn\\.proj_inputs_args_0", "attn.context"),
          "^model\\.visual\\.blocks\\.(\\d+)_inputs_args_0$=model.visual.blocks.$1@input",
          exactly("model\\.visual\\.post_layernorm_inputs_args_0", "model.visual.blocks@last"),
          exactly("model\\.visual\\.rotary_pos_emb(?:_outputs)?[_.]0", "model.visual.rotary.cos@each_angle_twice"),
          exactly("model\\.visual\\.rotary_pos_emb(?:_outputs)?[_.]1", "model.visual.rotary.sin@each_angle_twice"),
          exactly("model\\.language_model\\.rotary_emb(?:_outputs)?[_.]0",
                  "model.language_model.rotary.cos@each_angle_twice"),
          exactly("model\\.language_model\\.rotary_emb(?:_outputs)?[_.]1",
                  "model.language_model.rotary.sin@each_angle_twice"),
          exactly("model\\.language_model_inputs_kwargs_(inputs_embeds|position_ids)", "$1"),
          exactly("model\\.language_model\\.norm_inputs_args_0", "model.language_model.layers@last"),
          exactly("model\\.language_model\\.norm" + out, "model.language_model.norm"),
          exactly("lm_head" + out, "logits"),
          exactly("(?:inputs_kwargs_)(input_ids|mm_token_type_ids|attention_mask|pixel_values|pixel_values_videos|"
                  "image_grid_thw|video_grid_thw)",
                  "$1"),
          "^model\\.language_model\\.layers\\.(\\d+)_inputs_args_0$=model.language_model.layers.$1@input",
          text(layers, "input", "@input"),
          text(layers, "self_attn\\.o_proj(?:_inputs_args_0|\\.input)", "self_attn.context"),
          text(layers, "self_attn\\.([qkv])_proj" + out, "self_attn.$2"),
          text(layers, "self_attn\\.o_proj" + out, "self_attn@same"),
          text(layers, "self_attn(?:_outputs)?[_.]0", "self_attn"),
          text(layers, "mlp\\.down_proj" + out, "mlp@same"),
          text(layers, "mlp\\.shared_experts\\.down_proj" + out, "mlp.shared_experts@same"),
          text(layers, "mlp\\.gate(?:_outputs)?[_.]0", "mlp.gate.logits"),
          text(layers, "mlp\\.gate(?:_outputs)?[_.]1", "mlp.gate.topk_weights"),
          text(layers, "mlp\\.gate(?:_outputs)?[_.]2", "mlp.gate.topk_ids"),
          text(layers,
               "(input_layernorm|post_attention_layernorm|post_self_attn_layernorm|post_mlp_layernorm|mlp|mlp\\."
               "experts|mlp\\.shared_experts)_outputs",
               "$2"),
          "^model\\.language_model\\.layers\\.(\\d+)_outputs$=model.language_model.layers.$1",
          // What else the debugger writes are inputs of modules, told again, and what lies inside of points.
          "^.*_inputs_(?:args|kwargs)_.*$=@ignored",
          "^.*\\.(?:act_fn|act1|gate_proj|up_proj|embed_tokens|post_projection_norm|merger\\.proj)_outputs.*$=@ignored",
          "^outputs_.*$=@ignored",
      });
  return {"transformers", "hooks on modules, and the files of model_addition_debugger_context", rules};
}

/// Engines whose decoder carries the residual beside the hidden state and whose projections are fused.
Rules residual_rules(const std::string& layers) {
  const std::string second = "(?:\\.1|_1)", first = "(?:\\.0|_0)?";
  return {
      text(layers, "0", ""),
      text(layers, "1", "@residual"),
      text(layers, "input_layernorm" + first, "input_layernorm"),
      text(layers, "input_layernorm" + second, "@input"),  // the sum that it normalised
      text(layers, "post_attention_layernorm" + first, "post_attention_layernorm"),
      text(layers, "post_attention_layernorm" + second, "@ignored"),
      text(layers, "self_attn", "self_attn"),
      text(layers, "self_attn\\.o_proj" + first, "self_attn@same"),
      text(layers, "self_attn\\.o_proj\\.input", "self_attn.context"),
      text(layers, "self_attn\\.attn" + first, "@ignored"),  // the same
      text(layers, "input", "@input"),
      text(layers, "self_attn\\.qkv_proj" + first, "self_attn.qkv@qkv"),
      text(layers, "self_attn\\.rotary_emb\\.0", "self_attn.q_rot"),
      text(layers, "self_attn\\.rotary_emb\\.1", "self_attn.k_rot"),
      text(layers, "mlp", "mlp"),
      text(layers, "mlp\\.gate" + first, "mlp.gate.logits"),
      text(layers, "mlp\\.shared_experts", "mlp.shared_experts"),
      text(layers, "mlp\\.shared_experts\\.down_proj" + first, "mlp.shared_experts@same"),
      text(layers, "mlp\\.down_proj" + first, "mlp@same"),
      text(layers, "(?:mlp|self_attn|mlp\\.shared_experts)\\.(?:gate_up_proj|act_fn|down_proj|experts)(?:\\.\\d+)?",
           "@ignored"),
  };
}

NameMap vllm_map() {
  const std::string model = "language_model\\.model\\.";
  // Its embeddings are called on zeros and give the table alone; the sum is the input of the first block.
  Rules rules = {exactly("visual\\.embeddings", "@ignored")};
  append(rules, tower_rules("visual\\.", ""));
  append(rules, residual_rules(model + "layers\\."));
  append(
      rules,
      {
          exactly(model + "norm(?:\\.0)?", "model.language_model.norm"),
          exactly(model + "norm\\.1", "model.language_model.layers@last"),
          exactly("language_model\\.(?:logits_processor|lm_head)", "logits"),
          exactly("positions", "position_ids"),
          exactly(
              "(?:visual|language_model)(?:\\.model)?\\.(?:rotary_pos_emb|embed_tokens|merger\\..*|patch_embed\\..*)",
              "@ignored"),
          "^visual\\.blocks\\.\\d+\\.(?:mlp|attn|norm2)\\..*$=@ignored",
      });
  return {"vllm", "hooks on modules of vLLM (0.32), tuple outputs as .0 and .1", rules};
}

NameMap sglang_map() {
  const std::string model = "(?:language_model\\.)?model\\.";
  Rules rules = tower_rules("visual\\.", "");
  append(rules, residual_rules(model + "layers\\."));
  append(
      rules,
      {
          "^layer(\\d+)_out$=model.language_model.layers.$1",  // what the examples of its dumper call it
          text(model + "layers\\.", "mlp\\.topk\\.0", "mlp.gate.topk_weights"),
          text(model + "layers\\.", "mlp\\.topk\\.1", "mlp.gate.topk_ids"),
          text(model + "layers\\.", "mlp\\.topk\\.2", "@ignored"),
          exactly(model + "norm(?:\\.0)?", "model.language_model.norm"),
          exactly(model + "norm\\.1", "model.language_model.layers@last"),
          exactly("logits_processor(?:\\.0|\\.next_token_logits)?", "logits"),
          exactly("positions", "position_ids"),
          exactly(
              "(?:visual|model)\\.(?:rotary_pos_emb|rotary_emb(?:\\.\\d)?|embed_tokens|merger\\..*|patch_embed\\..*)",
              "@ignored"),
          "^visual\\.blocks\\.\\d+\\.(?:mlp|attn|norm2)\\..*$=@ignored",
      });
  return {"sglang", "SGLang's dumper and its forward hooks (0.5.23)", rules};
}

/// Activations of Megatron are [T, batch, hidden]; its query, key and value rows are grouped by kv head.
NameMap megatron_map() {
  const std::string layers = "(?:module\\.)*language_model\\.decoder\\.layers\\.";
  Rules rules = tower_rules("(?:module\\.)*vision_model\\.", "");
  append(rules, tower_rules("(?:module\\.)*visual\\.", ""));
  append(rules, {
                    text(layers, "input_layernorm", "input_layernorm"),
                    text(layers, "self_attention\\.linear_qkv(?:\\.0)?", "self_attn.qkv@qkv_by_group"),
                    text(layers, "self_attention\\.core_attention(?:\\.0)?", "self_attn.context"),
                    text(layers, "self_attention(?:\\.0)?", "self_attn"),
                    text(layers, "self_attention\\.linear_proj(?:\\.0)?", "self_attn@same"),
                    text(layers, "pre_mlp_layernorm", "post_attention_layernorm"),
                    text(layers, "mlp(?:\\.0)?", "mlp"),
                    text(layers, "mlp\\.router\\.gating", "mlp.gate.logits"),
                    text(layers, "mlp\\.experts(?:\\.0)?", "@ignored"),  // permuted by expert, not by token
                    text(layers, "mlp\\.shared_experts", "mlp.shared_experts"),
                    text(layers, "(?:0)?", ""),
                    "^(?:module\\.)*language_model\\.decoder\\.layers\\.(\\d+)$=model.language_model.layers.$1",
                    text(layers, "(?:self_attention|mlp)\\..*", "@ignored"),
                    exactly("(?:module\\.)*language_model\\.decoder\\.final_layernorm", "model.language_model.norm"),
                    exactly("(?:module\\.)*language_model\\.output_layer(?:\\.0)?", "logits"),
                });
  return {"megatron", "hooks on modules of Megatron-Bridge", rules};
}

NameMap mlx_map() {
  const std::string layers = "language_model\\.model\\.layers\\.";
  Rules rules = tower_rules("vision_tower\\.", "");
  append(rules, {
                    text(layers, "", ""),
                    text(layers, "(input_layernorm|post_attention_layernorm|self_attn|mlp|mlp\\.shared_experts)", "$2"),
                    text(layers, "self_attn\\.([qkv])_proj", "self_attn.$2"),
                    text(layers, "self_attn\\.o_proj", "self_attn@same"),
                    text(layers, "mlp\\.gate\\.0", "mlp.gate.topk_ids"),
                    text(layers, "mlp\\.gate\\.1", "mlp.gate.topk_weights"),
                    exactly("language_model\\.model\\.norm", "model.language_model.norm"),
                    exactly("language_model\\.lm_head", "logits"),
                });
  return {"mlx", "wrapped modules of MLX-VLM", rules};
}

/// Graph nodes, NAME-LAYER.OPERATION: one name may stand for several nodes.
NameMap llamacpp_map() {
  const auto text_node = [](const std::string& name, const std::string& operation, const std::string& ours) {
    const std::string dot = ours.empty() || ours[0] == '@' ? "" : ".";
    return "^" + name + "-(\\d+)\\." + operation + "$=model.language_model.layers.$1" + dot + ours;
  };
  const auto tower_node = [](const std::string& name, const std::string& operation, const std::string& ours) {
    return "^vision/" + name + "-(\\d+)\\." + operation + "$=model.visual.blocks.$1" + (ours.empty() ? "" : "." + ours);
  };
  return {"llamacpp",
          "nodes of llama.cpp's graphs (b11434), as crosscheck/peers/llamacpp_dump.cc writes them",
          {
              exactly("vision/patch_bias\\.ADD", "model.visual.patch_embed"),
              exactly("vision/pos_embed\\.ADD", "model.visual.embeddings"),
              tower_node("layer_inp_normed", "MUL", "norm1"),
              tower_node("ffn_inp_normed", "MUL", "norm2"),
              tower_node("Qcur", "VIEW", "attn.q"),
              tower_node("Kcur", "VIEW", "attn.k"),
              tower_node("Vcur", "VIEW", "attn.v"),
              tower_node("kqv_out", ".*", "attn.context"),
              tower_node("attn_out", ".*", "attn"),
              tower_node("ffn_out", ".*", "mlp"),
              tower_node("layer_out", "ADD", ""),
              exactly("vision/vit_out\\..*", "model.visual.post_layernorm"),
              exactly("vision/after_ffn_proj\\..*", "model.visual.merger"),
              "^vision/.*$=@ignored",
              exactly("inp_embd\\..*", "inputs_embeds"),
              text_node("attn_norm", "MUL", "input_layernorm"),
              text_node("Qcur", "RESHAPE", "self_attn.q@half_split"),
              text_node("Kcur", "RESHAPE", "self_attn.k@half_split"),
              text_node("Vcur", "RESHAPE", "self_attn.v"),
              text_node("Qcur", "ROPE", "self_attn.q_rot@half_split"),
              text_node("Kcur", "ROPE", "self_attn.k_rot@half_split"),
              text_node("kqv_out", ".*", "self_attn.context"),
              text_node("attn_out", ".*", "self_attn"),
              text_node("post_attn_norm", "MUL", "post_attention_layernorm@norm_after_attention"),
              text_node("ffn_norm", "MUL", "post_attention_layernorm"),
              text_node("post_mlp_norm", "MUL", "post_mlp_layernorm"),
              text_node("ffn_moe_logits", ".*", "mlp.gate.logits"),
              text_node("ffn_moe_topk", ".*", "mlp.gate.topk_ids"),
              text_node("ffn_moe_weights_scaled", ".*", "mlp.gate.topk_weights"),
              text_node("ffn_moe_out", ".*", "mlp.experts"),
              text_node("ffn_shexp_out", ".*", "mlp.shared_experts"),
              text_node("ffn_out", ".*", "mlp"),
              text_node("l_out", ".*", ""),
              exactly("result_norm\\..*", "model.language_model.norm"),
              exactly("result_output\\..*", "logits"),
              "^[^/]*\\.[A-Z_]+$=@ignored",
          }};
}

int64_t known_points(const std::vector<std::string>& names, const NameRules& rules) {
  return std::count_if(names.begin(), names.end(), [&](const std::string& name) {
    const std::string mapped = rules.mapped(name);
    return stage_of(mapped.substr(0, mapped.find('@'))) > 3;
  });
}

}  // namespace

const std::vector<NameMap>& name_maps() {
  static const std::vector<NameMap> all = {transformers_map(), vllm_map(), sglang_map(),
                                           megatron_map(),     mlx_map(),  llamacpp_map()};
  return all;
}

const NameMap* find_name_map(std::string_view name) {
  for (const NameMap& map : name_maps()) {
    if (map.name == name) return &map;
  }
  return nullptr;
}

std::string name_map_names() {
  std::string names;
  for (const NameMap& map : name_maps()) names += (names.empty() ? "" : ", ") + map.name;
  return names;
}

const NameMap* likely_name_map(const std::vector<std::string>& names) {
  const NameMap* best = nullptr;
  int64_t most = 2 * known_points(names, NameRules());  // a stray name or two that a map knows says nothing
  for (const NameMap& map : name_maps()) {
    const int64_t known = known_points(names, NameRules({map.name}, ""));
    if (known > most) most = known, best = &map;
  }
  return best;
}

}  // namespace glmv
