"""Which small models are made, and the prompts each of them runs."""

import re
from dataclasses import dataclass

from . import configs
from .prompts import Clip, Picture, Text


@dataclass(frozen=True)
class Case:
    """One prompt. `chunks`: prefill in pieces of these lengths. `steps`: greedy tokens afterwards."""
    name: str
    parts: tuple
    chunks: tuple = ()
    steps: int = 0


@dataclass(frozen=True)
class Model:
    """One small model. `full` names the cases that keep every point; the others keep what INNER does not match.

    `seed` is where the search for sufficient margins starts; `bias_flip` demands a seed where some routing decision
    would be another one if the correction bias were kept in bf16.
    """
    name: str
    config: dict
    cases: tuple
    full: tuple
    seed: int
    bias_flip: bool = False


# With 4-pixel patches a picture is cheap.
SMALL_PATCH = (
    Case("text", (Text(10),)),
    Case("one_image", (Text(4), Picture(4, 6), Text(3))),
    Case("two_images", (Text(3), Picture(4, 2), Text(2), Picture(2, 6), Text(3))),
    Case("tiny_image", (Text(2), Picture(2, 2), Text(2))),
    Case("video", (Text(3), Clip(3, 4, 2), Text(2))),
)
# A 14-pixel patch has 1176 values, as in the real models: few of them.
REAL_PATCH = (
    Case("text", (Text(9),)),
    Case("one_image", (Text(3), Picture(2, 4), Text(2))),
    Case("two_images", (Text(2), Picture(4, 2), Text(1), Picture(2, 2), Text(2))),
    Case("tiny_image", (Text(2), Picture(2, 2), Text(1))),
    Case("video", (Text(2), Clip(2, 2, 2), Text(2))),
)
# The second piece starts in the middle of the picture.
CHUNKED = Case("chunked", (Text(3), Picture(4, 6), Text(4)), chunks=(7, 8))
GREEDY = Case("greedy", (Text(4), Picture(2, 4), Text(2)), steps=4)
GREEDY_TEXT = Case("greedy_text", (Text(6),), steps=4)
# The library refuses this prompt in one call; the visual rows are spliced by token type.
MIXED = Case("mixed", (Text(2), Picture(2, 4), Text(1), Clip(2, 2, 2), Text(2)))

# What a trace can do without and still name the layer and the block where something went wrong.
INNER = re.compile(r".*\.(attn|self_attn)\.(q|k|v|q_rot|k_rot|context)"
                   r"|.*\.(norm1|norm2|input_layernorm|post_attention_layernorm|post_self_attn_layernorm"
                   r"|post_mlp_layernorm|mlp\.experts|mlp\.shared_experts|post_conv_layernorm)")

MODELS = (
    Model("moe_a", configs.MOE_A, SMALL_PATCH + (CHUNKED, GREEDY, MIXED), full=("one_image", "greedy"), seed=148),
    Model("moe_b", configs.MOE_B, REAL_PATCH + (GREEDY_TEXT,), full=("one_image",), seed=2),
    Model("moe_c", configs.MOE_C, SMALL_PATCH, full=("text",), seed=228, bias_flip=True),
    Model("dense_a", configs.DENSE_A, REAL_PATCH + (GREEDY_TEXT,), full=("text",), seed=0),
    Model("dense_b", configs.DENSE_B, SMALL_PATCH + (CHUNKED, GREEDY, MIXED), full=("one_image", "greedy"), seed=0),
)
