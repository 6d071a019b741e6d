"""One layer of each kind at GLM-4.5V's real width, with procedural weights; only outputs are stored.

The modules are the library's own. They hang in an empty tree at their real paths, so that the same hooks see them.
"""

import torch
from torch import nn
from transformers.masking_utils import create_causal_mask
from transformers.models.glm4v_moe import configuration_glm4v_moe as configuration
from transformers.models.glm4v_moe import modeling_glm4v_moe as library
from transformers.vision_utils import get_vision_attention_seqlens, get_vision_position_ids

from . import floors, margins, procedural, runs, tensorfile
from .hooks import Recorder

INPUT_SCALE = 1.7
ATTENTION = "model.language_model.layers.0.self_attn"
MOE = "model.language_model.layers.1.mlp"
BLOCK = "model.visual.blocks.0"
# Six tokens: a 2x2 picture, then two words. Positions (time, height, width).
POSITIONS = torch.tensor([[300, 300, 300, 300, 302, 303], [300, 300, 301, 301, 302, 303], [300, 301, 300, 301, 302, 303]])
KEPT_HEADS = torch.tensor([0, 1, 11, 12, 23, 24, 47, 48, 83, 84, 94, 95])  # both ends of some groups of 12
GRID = torch.tensor([[1, 4, 6]])
KEPT_ROWS = torch.tensor([0, 9, 23])


def text_config():
    """GLM-4.5V's decoder."""
    return configuration.Glm4vMoeTextConfig(
        vocab_size=151552, hidden_size=4096, intermediate_size=10944, num_attention_heads=96, num_key_value_heads=8,
        head_dim=128, moe_intermediate_size=1408, n_routed_experts=128, num_experts_per_tok=8, n_shared_experts=1,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5,
                         "mrope_section": [8, 12, 12]})


def vision_config():
    """GLM-4.5V's tower."""
    return configuration.Glm4vMoeVisionConfig(hidden_size=1536, num_heads=12, out_hidden_size=4096, intermediate_size=10944)


class Tree(nn.Module):
    """Library modules at their real paths: {path: module}."""

    def __init__(self, config, modules):
        super().__init__()
        self.config = configuration.Glm4vMoeConfig(text_config=text_config(), vision_config=vision_config())
        self.layer_config = config  # the object the modules read their attention and experts implementation from
        for path, module in modules.items():
            *parents, last = path.split(".")
            node = self
            for name in parents:
                if not hasattr(node, name):
                    node.add_module(name, nn.Module())
                node = getattr(node, name)
            node.add_module(last, module)


def empty(build, dtype):
    """A module whose weights take no memory until they are written: 128 experts would be 9 GB."""
    with torch.device("meta"):
        module = build()
    return module.to(dtype).to_empty(device="cpu").eval()


@torch.no_grad()
def fill(module, path):
    """Procedural weights for every parameter that is stored under its own name on disk."""
    for name, parameter in module.named_parameters():
        parameter.copy_(procedural.weight(f"{path}.{name}", tuple(parameter.shape)))
    return module


@torch.no_grad()
def fill_expert(experts, path, index):
    """One routed expert: three matrices on disk, gate above up in one tensor here."""
    width = experts.intermediate_dim
    gate_up, down = experts.gate_up_proj[index], experts.down_proj[index]
    for name, target in (("gate_proj", gate_up[:width]), ("up_proj", gate_up[width:]), ("down_proj", down)):
        target.copy_(procedural.weight(f"{path}.{index}.{name}.weight", tuple(target.shape)))


def layer_input(rows, width, dtype):
    """The tensor called "input", rounded to bf16 in both modes."""
    return procedural.tensor("input", (rows, width), INPUT_SCALE).to(torch.bfloat16).to(dtype)


def attention(dtype):
    """96 query heads on 8 key heads, half of each head rotated; causal."""
    config = text_config()
    layer = fill(empty(lambda: library.Glm4vMoeTextAttention(config, 0), dtype), ATTENTION)
    tree = Tree(config, {ATTENTION: layer, "model.language_model.rotary_emb": library.Glm4vMoeTextRotaryEmbedding(config)})
    x = layer_input(POSITIONS.shape[1], config.hidden_size, dtype)[None]

    def run():
        mask = create_causal_mask(config=config, inputs_embeds=x, attention_mask=None, cache=None)
        layer(x, tree.model.language_model.rotary_emb(x, POSITIONS[:, None]), attention_mask=mask)

    def keep(name, tensor):
        return tensor[:, KEPT_HEADS] if name.endswith((".q", "q_rot", "context")) else tensor

    return tree, run, keep, {"position_ids": POSITIONS, "kept_heads": KEPT_HEADS}


def moe(dtype):
    """Router, 8 of 128 experts, shared expert, for 3 tokens. Only the chosen experts get weights."""
    config = text_config()
    layer = empty(lambda: library.Glm4vMoeTextMoE(config), dtype)
    layer.gate.float()  # as the library loads it
    for name, tensor in layer.gate.state_dict().items():
        tensor.copy_(procedural.weight(f"{MOE}.gate.{name}", tuple(tensor.shape)))
    fill(layer.shared_experts, f"{MOE}.shared_experts")
    x = layer_input(3, config.hidden_size, dtype)[None]
    with torch.no_grad():
        chosen = layer.gate(x)[2].unique().tolist()
    for index in chosen:
        fill_expert(layer.experts, f"{MOE}.experts", index)
    return Tree(config, {MOE: layer}), lambda: layer(x), lambda _, tensor: tensor, {}


def vision_block(dtype):
    """One ViT block on a picture of 4x6 patches."""
    config = vision_config()
    block = fill(empty(lambda: library.Glm4vMoeVisionBlock(config), dtype), BLOCK)
    rotary = library.Glm4vMoeVisionRotaryEmbedding(config)
    tree = Tree(config, {BLOCK: block, "model.visual.rotary_pos_emb": rotary})
    x = layer_input(int(GRID.prod()), config.hidden_size, dtype)

    def run():
        cu_seqlens, _ = get_vision_attention_seqlens(GRID, config)
        block(x, cu_seqlens=cu_seqlens, position_embeddings=rotary(x, get_vision_position_ids(GRID, 2)))

    def keep(name, tensor):
        return tensor[KEPT_ROWS] if name.startswith(BLOCK) else tensor

    return tree, run, keep, {"image_grid_thw": GRID, "kept_rows": KEPT_ROWS}


def merger(dtype):
    """Downsample convolution and merger: 8 patches become 2 tokens."""
    config = vision_config()
    down = empty(lambda: nn.Conv2d(config.hidden_size, config.out_hidden_size, kernel_size=2, stride=2), dtype)
    head = empty(lambda: library.Glm4vMoeVisionPatchMerger(
        config.out_hidden_size, config.intermediate_size, config.hidden_act), dtype)
    fill(down, "model.visual.downsample")
    fill(head, "model.visual.merger")
    x = layer_input(8, config.hidden_size, dtype).view(2, 2, 2, -1).permute(0, 3, 1, 2)
    tree = Tree(config, {"model.visual.downsample": down, "model.visual.merger": head})
    return tree, lambda: head(down(x).view(2, -1)), lambda _, tensor: tensor, {}


LAYERS = {"attention": attention, "moe": moe, "vision_block": vision_block, "merger": merger}


@torch.no_grad()
def record(tree, run, keep, mode):
    """All points of one run in one mode, cut down by keep(name, tensor)."""
    tree.layer_config._attn_implementation = mode.attention
    tree.layer_config._experts_implementation = mode.experts
    with Recorder(tree) as recorder:
        run()
    return {name: keep(name, tensor) for name, tensor in recorder.points.items()}


def make(folder):
    """Write <layer>.safetensors and <layer>.bf16.safetensors; returns what the manifest says about them."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, build in LAYERS.items():
        for dtype, golden in runs.GOLDEN.items():
            tree, run, keep, inputs = build(runs.TORCH_DTYPE[dtype])
            points = record(tree, run, keep, golden)
            extra = {"case": name}
            if name == "moe":
                found[dtype] = margins.of_trace(points, tree, {"text_config": tree.layer_config.to_dict()})
            if dtype == "bf16":
                points |= floors.per_row(points, [record(tree, run, keep, mode) for mode in runs.OTHERS])
                extra["floor"] = runs.FLOOR
            suffix = ".bf16.safetensors" if dtype == "bf16" else ".safetensors"
            tensorfile.write(folder / (name + suffix), points | inputs, runs.metadata(golden, **extra, **rule()))
    return {"rule": rule(), "margins": found}


def rule():
    """How to make the weights and the input again."""
    return {"values": procedural.RULE, "scales": procedural.SCALES,
            "input": f"name \"input\", offset 0, scale {INPUT_SCALE}, rounded to bf16 in both modes"}
