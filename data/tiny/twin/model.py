"""The twins as the Hugging Face classes, their start weights, and two exact shortcuts used only in training.

GLM-4.5V's has 2,226,048 parameters, GLM-4.1V's 1,607,296. The constants are not degenerate, so that a port cannot be right by luck: routed scaling 1.7,
two expert groups of which one is kept, query width 192 != hidden width 128, grouped heads 3:1, rope on half a head.
"""
import types

import torch
import torch.nn.functional as F
from transformers import (
    Glm4vConfig,
    Glm4vForConditionalGeneration,
    Glm4vMoeConfig,
    Glm4vMoeForConditionalGeneration,
)
from transformers.models.glm4v_moe.modeling_glm4v_moe import apply_rotary_pos_emb_vision

from .tokenizer import VOCABULARY

WIDTH = 128
MARKER_TOKENS = {
    "image_start_token_id": "<|begin_of_image|>",
    "image_end_token_id": "<|end_of_image|>",
    "video_start_token_id": "<|begin_of_video|>",
    "video_end_token_id": "<|end_of_video|>",
    "image_token_id": "<|image|>",
    "video_token_id": "<|video|>",
}


def text_settings(tokenizer, family):
    """What both families have. rope_theta is 100: with 8 frequencies 10000 would leave the width axis below 0.003 rad a cell."""
    stops = [tokenizer.token_to_id(t) for t in family.stops]
    return dict(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=384,
        num_hidden_layers=4,
        num_key_value_heads=2,
        attention_dropout=0.0,
        hidden_act="silu",
        rms_norm_eps=1e-5,
        max_position_embeddings=4096,
        initializer_range=0.06,
        rope_parameters=dict(
            rope_type="default", rope_theta=100.0, partial_rotary_factor=0.5, mrope_section=[2, 3, 3]
        ),
        eos_token_id=stops,
        pad_token_id=stops[0],
        use_cache=True,
    )


def expert_settings():
    """What GLM-4.5V has besides."""
    return dict(
        num_attention_heads=6,
        head_dim=32,
        attention_bias=True,
        first_k_dense_replace=1,
        n_routed_experts=8,
        num_experts_per_tok=2,
        moe_intermediate_size=96,
        n_shared_experts=1,
        n_group=2,
        topk_group=1,
        norm_topk_prob=True,
        routed_scaling_factor=1.7,
    )


def vision_settings():
    """An 8x8 position table: 112x112 pictures hit it exactly, all other sizes are resampled from it."""
    return dict(
        depth=3,
        hidden_size=WIDTH,
        num_heads=4,
        out_hidden_size=WIDTH,
        intermediate_size=256,
        image_size=112,
        in_channels=3,
        patch_size=14,
        temporal_patch_size=2,
        spatial_merge_size=2,
        hidden_act="silu",
        rms_norm_eps=1e-5,
        attention_bias=False,
        attention_dropout=0.0,
        initializer_range=0.06,
    )


def build(tokenizer, family, seed):
    """The untrained twin of a family, SDPA attention, f32."""
    torch.manual_seed(seed)
    markers = {name: tokenizer.token_to_id(token) for name, token in MARKER_TOKENS.items()}
    parts = dict(vision_config=vision_settings(), tie_word_embeddings=False, **markers)
    text = text_settings(tokenizer, family)
    if family.name == "glm41v":
        config = Glm4vConfig(text_config={**text, "num_attention_heads": 4}, **parts)
        config._attn_implementation = "sdpa"
        twin = Glm4vForConditionalGeneration(config)
    else:
        config = Glm4vMoeConfig(text_config={**text, **expert_settings()}, **parts)
        config._attn_implementation = "sdpa"
        twin = Glm4vMoeForConditionalGeneration(config)
    leave_neutral_values(twin)
    return twin


@torch.no_grad()
def leave_neutral_values(twin):
    """Start norms in 0.7..1.3 and biases at N(0, 0.2): a port that forgets one of them then gives other answers."""
    for name, weight in twin.named_parameters():
        if weight.ndim == 1 and "norm" in name and name.endswith("weight"):
            weight.uniform_(0.7, 1.3)
        elif name.endswith(("q_proj.bias", "k_proj.bias", "v_proj.bias")):
            weight.normal_(0.0, 0.2)
        elif name.endswith("post_projection_norm.bias"):
            weight.normal_(0.0, 0.1)


@torch.no_grad()
def center_patches(visual, patches):
    """Patch bias = -W mean(patch), patches [n, 1176].

    The light background is one huge constant; the RMSNorm behind the patch embedding would otherwise hide the picture.
    """
    projection = visual.patch_embed.proj
    projection.bias.copy_(-(projection.weight.flatten(1) @ patches.mean(0)))


def embed_patches(module, patches):
    """Conv3d whose kernel is its stride, as a matrix product: patches [n, 1176] -> [n, 128]."""
    return F.linear(patches, module.proj.weight.flatten(1), module.proj.bias)


def attend_equal_sizes(module, hidden_states, cu_seqlens, position_embeddings=None, **unused):
    """Vision attention of pictures that all have one size, in one call: hidden_states [pictures*L, 128]."""
    tokens, pictures = hidden_states.shape[0], cu_seqlens.numel() - 1
    q, k, v = module.qkv(hidden_states).reshape(tokens, 3, module.num_heads, -1).unbind(1)
    q, k = apply_rotary_pos_emb_vision(q, k, *position_embeddings)
    q, k, v = (x.view(pictures, tokens // pictures, module.num_heads, -1).transpose(1, 2) for x in (q, k, v))
    mixed = F.scaled_dot_product_attention(q, k, v, scale=module.scaling)
    return module.proj(mixed.transpose(1, 2).reshape(tokens, -1))


def speed_up_vision(visual):
    """Same arithmetic in fewer, larger calls; valid while all pictures of a batch have one size."""
    visual.patch_embed.forward = types.MethodType(embed_patches, visual.patch_embed)
    for block in visual.blocks:
        block.attn.forward = types.MethodType(attend_equal_sizes, block.attn)


def routers(twin):
    """The gates of the expert layers, first to last."""
    return [layer.mlp.gate for layer in twin.model.language_model.layers if hasattr(layer.mlp, "gate")]
