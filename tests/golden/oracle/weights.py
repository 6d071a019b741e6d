"""Names and shapes of every tensor on disk (spec/model.md section 6), and a random model with them."""

from . import procedural, tensorfile


def attention(prefix, hidden, heads, kv_heads, head_dim):
    """q, k and v have a bias, o has none."""
    shapes = {}
    for name, width in (("q", heads), ("k", kv_heads), ("v", kv_heads)):
        shapes[f"{prefix}.{name}_proj.weight"] = (width * head_dim, hidden)
        shapes[f"{prefix}.{name}_proj.bias"] = (width * head_dim,)
    shapes[f"{prefix}.o_proj.weight"] = (hidden, heads * head_dim)
    return shapes


def gated_mlp(prefix, hidden, width):
    """gate and up [width, hidden], down [hidden, width], no bias."""
    return {f"{prefix}.gate_proj.weight": (width, hidden), f"{prefix}.up_proj.weight": (width, hidden),
            f"{prefix}.down_proj.weight": (hidden, width)}


def moe_block(prefix, text):
    """Router, routed experts (one set of three matrices each) and the shared expert."""
    hidden, width, experts = text["hidden_size"], text["moe_intermediate_size"], text["n_routed_experts"]
    shapes = {f"{prefix}.gate.weight": (experts, hidden), f"{prefix}.gate.e_score_correction_bias": (experts,)}
    for expert in range(experts):
        shapes |= gated_mlp(f"{prefix}.experts.{expert}", hidden, width)
    return shapes | gated_mlp(f"{prefix}.shared_experts", hidden, width * text["n_shared_experts"])


def text_layer(config, index):
    """One decoder layer of either family."""
    text, prefix = config["text_config"], f"model.language_model.layers.{index}"
    hidden, heads = text["hidden_size"], text["num_attention_heads"]
    head_dim = text.get("head_dim", hidden // heads)
    shapes = attention(f"{prefix}.self_attn", hidden, heads, text["num_key_value_heads"], head_dim)
    norms = ["input_layernorm", "post_attention_layernorm"]
    if config["model_type"] == "glm4v":
        norms += ["post_self_attn_layernorm", "post_mlp_layernorm"]
        shapes[f"{prefix}.mlp.gate_up_proj.weight"] = (2 * text["intermediate_size"], hidden)
        shapes[f"{prefix}.mlp.down_proj.weight"] = (hidden, text["intermediate_size"])
    elif index < text["first_k_dense_replace"]:
        shapes |= gated_mlp(f"{prefix}.mlp", hidden, text["intermediate_size"])
    else:
        shapes |= moe_block(f"{prefix}.mlp", text)
    return shapes | {f"{prefix}.{norm}.weight": (hidden,) for norm in norms}


def vision_block(prefix, vision):
    """One ViT block; its MLP is out_hidden_size wide, not intermediate_size."""
    hidden = vision["hidden_size"]
    return {f"{prefix}.norm1.weight": (hidden,), f"{prefix}.norm2.weight": (hidden,),
            f"{prefix}.attn.qkv.weight": (3 * hidden, hidden), f"{prefix}.attn.proj.weight": (hidden, hidden),
            } | gated_mlp(f"{prefix}.mlp", hidden, vision["out_hidden_size"])


def vision_head(vision):
    """Downsample convolution and merger."""
    hidden, out, merge = vision["hidden_size"], vision["out_hidden_size"], vision["spatial_merge_size"]
    return {"model.visual.downsample.weight": (out, hidden, merge, merge), "model.visual.downsample.bias": (out,),
            "model.visual.merger.proj.weight": (out, out),
            "model.visual.merger.post_projection_norm.weight": (out,),
            "model.visual.merger.post_projection_norm.bias": (out,),
            } | gated_mlp("model.visual.merger", out, vision["intermediate_size"])


def vision_tower(vision):
    """Everything under model.visual."""
    hidden, patch = vision["hidden_size"], vision["patch_size"]
    table = (vision["image_size"] // patch) ** 2
    kernel = (vision["in_channels"], vision["temporal_patch_size"], patch, patch)
    shapes = {"model.visual.patch_embed.proj.weight": (hidden, *kernel), "model.visual.patch_embed.proj.bias": (hidden,),
              "model.visual.post_conv_layernorm.weight": (hidden,), "model.visual.post_layernorm.weight": (hidden,),
              "model.visual.embeddings.position_embedding.weight": (table, hidden)}
    for index in range(vision["depth"]):
        shapes |= vision_block(f"model.visual.blocks.{index}", vision)
    return shapes | vision_head(vision)


def shapes_of(config):
    """On-disk name -> shape for a whole model, from its config.json."""
    text = config["text_config"]
    table = (text["vocab_size"], text["hidden_size"])
    shapes = {"lm_head.weight": table, "model.language_model.embed_tokens.weight": table,
              "model.language_model.norm.weight": (text["hidden_size"],)}
    for index in range(text["num_hidden_layers"]):
        shapes |= text_layer(config, index)
    return shapes | vision_tower(config["vision_config"])


def write_random(path, config, seed):
    """Write model.safetensors: bf16 weights, correction biases f32, all from `seed`."""
    tensors = {name: procedural.weight(name, shape, prefix=f"{seed}/") for name, shape in shapes_of(config).items()}
    tensorfile.write(path, tensors, {"format": "pt", "seed": str(seed), "values": procedural.RULE,
                                     "name": f"{seed}/<tensor name>", "scales": procedural.SCALES})
