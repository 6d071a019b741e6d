"""config.json of small models. Both families, both ways to write the rotary settings, no constant left at its default.

The token ids are those of a 96-word vocabulary: 0..79 are text, 80..87 are special.
"""

VOCAB_SIZE = 96
TEXT_TOKENS = 80
PAD, EOS, IMAGE_START, IMAGE_END, VIDEO_START, VIDEO_END, IMAGE, VIDEO = range(80, 88)


def rope_keys(layout, theta, sections, partial):
    """The rotary part of text_config: "old" as GLM-4.5V and GLM-4.1V write it, "new" as GLM-4.6V does."""
    if layout == "old":
        return {"rope_theta": theta, "partial_rotary_factor": partial,
                "rope_scaling": {"rope_type": "default", "mrope_section": list(sections)}}
    return {"rope_parameters": {"rope_type": "default", "rope_theta": theta, "partial_rotary_factor": partial,
                                "mrope_section": list(sections)}}


def text_config(kind, layout, rope, sizes):
    """text_config of either family; `sizes` overrides and completes the common part."""
    return {
        "model_type": kind + "_text", "vocab_size": VOCAB_SIZE, "attention_bias": True, "attention_dropout": 0.0,
        "hidden_act": "silu", "rms_norm_eps": 1e-05, "max_position_embeddings": 4096, "initializer_range": 0.02,
        "use_cache": True, "tie_word_embeddings": False, "pad_token_id": PAD, "eos_token_id": [EOS, PAD],
        "dtype": "bfloat16",
    } | sizes | rope_keys(layout, **rope)


def vision_config(kind, layout, out_hidden, sizes):
    """vision_config: `sizes` holds depth, hidden_size, num_heads, intermediate_size, image_size, patch_size."""
    return {
        "model_type": kind if layout == "old" else kind + "_vision", "out_hidden_size": out_hidden, "in_channels": 3,
        "temporal_patch_size": 2, "spatial_merge_size": 2, "attention_bias": False, "attention_dropout": 0.0,
        "hidden_act": "silu", "rms_norm_eps": 1e-05, "initializer_range": 0.02,
    } | sizes


def model_config(kind, layout, rope, text, vision):
    """A whole config.json. `kind` is the model_type: glm4v_moe or glm4v (dense)."""
    name = "Glm4vMoe" if kind == "glm4v_moe" else "Glm4v"
    return {
        "architectures": [name + "ForConditionalGeneration"], "model_type": kind,
        "text_config": text_config(kind, layout, rope, text),
        "vision_config": vision_config(kind, layout, text["hidden_size"], vision),
        "image_token_id": IMAGE, "video_token_id": VIDEO, "image_start_token_id": IMAGE_START,
        "image_end_token_id": IMAGE_END, "video_start_token_id": VIDEO_START, "video_end_token_id": VIDEO_END,
        "tie_word_embeddings": False, "transformers_version": "4.57.1" if layout == "old" else "5.0.0rc0",
    }


# 3 query heads per key head, one of two expert groups kept, experts scaled by 1.7; table 5x5 of 4-pixel patches.
MOE_A = model_config(
    "glm4v_moe", "old", rope={"theta": 10000.0, "sections": (1, 1, 2), "partial": 0.5},
    text={"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 16,
          "intermediate_size": 56, "moe_intermediate_size": 16, "n_routed_experts": 12, "num_experts_per_tok": 3,
          "n_shared_experts": 1, "n_group": 2, "topk_group": 1, "norm_topk_prob": True, "routed_scaling_factor": 1.7,
          "first_k_dense_replace": 1, "use_qk_norm": False},
    vision={"depth": 2, "hidden_size": 24, "num_heads": 2, "intermediate_size": 40, "image_size": 20, "patch_size": 4})

# 12 query heads per key head as in GLM-4.5V, two of four groups, weights not normalised, two dense layers, 4x4 table.
MOE_B = model_config(
    "glm4v_moe", "old", rope={"theta": 100.0, "sections": (2, 1, 1), "partial": 0.5},
    text={"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 12, "num_key_value_heads": 1, "head_dim": 16,
          "intermediate_size": 40, "moe_intermediate_size": 24, "n_routed_experts": 16, "num_experts_per_tok": 4,
          "n_shared_experts": 1, "n_group": 4, "topk_group": 2, "norm_topk_prob": False, "routed_scaling_factor": 1.0,
          "first_k_dense_replace": 2, "use_qk_norm": False},
    vision={"depth": 2, "hidden_size": 24, "num_heads": 3, "intermediate_size": 48, "image_size": 56, "patch_size": 14})

# GLM-4.6V's way to write the config; as many key heads as query heads, two shared experts, R = 12, table 6x6.
MOE_C = model_config(
    "glm4v_moe", "new", rope={"theta": 500000, "sections": (1, 2, 3), "partial": 0.5},
    text={"hidden_size": 40, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 24,
          "intermediate_size": 48, "moe_intermediate_size": 16, "n_routed_experts": 8, "num_experts_per_tok": 2,
          "n_shared_experts": 2, "n_group": 1, "topk_group": 1, "norm_topk_prob": True, "routed_scaling_factor": 2.5,
          "first_k_dense_replace": 1, "use_qk_norm": False, "qk_layernorm": False, "num_nextn_predict_layers": 0},
    vision={"depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 24, "image_size": 24, "patch_size": 4,
            "hidden_dropout_prob": 0.0})

# 16 query heads per key head as in GLM-4.1V, three quarters of each head rotated, table 7x7 of 14-pixel patches.
DENSE_A = model_config(
    "glm4v", "old", rope={"theta": 10000.0, "sections": (1, 1, 1), "partial": 0.75},
    text={"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 16, "num_key_value_heads": 1,
          "intermediate_size": 40},
    vision={"depth": 2, "hidden_size": 16, "num_heads": 2, "intermediate_size": 24, "image_size": 98, "patch_size": 14})

# GLM-4.6V-Flash's way to write the config, theta 5e5; 2 query heads per key head, table 9x9.
DENSE_B = model_config(
    "glm4v", "new", rope={"theta": 500000, "sections": (1, 2, 1), "partial": 0.5},
    text={"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1,
          "intermediate_size": 40},
    vision={"depth": 2, "hidden_size": 24, "num_heads": 2, "intermediate_size": 56, "image_size": 36, "patch_size": 4})
