"""The dense twin's first weights, taken from the trained twin with experts; the tower is taken whole and stays as it is.

GLM-4.1V's layer differs in three ways: q is as wide as the hidden state, so 4 of 6 heads are kept, those whose outputs
are largest; its rope pairs neighbours, so rotary rows are reordered; and it normalises what attention and MLP give, so
these norms start at the size those outputs had. An expert layer becomes one MLP of the shared and the busiest experts.
"""
import os

import torch
from tokenizers import Tokenizer
from transformers import Glm4vMoeForConditionalGeneration

from . import batches, world
from .family import MOE
from .model import WIDTH

HEAD, ROTARY = 32, 16  # channels of a head, and those of them that turn


def scene_inputs(batcher, seed):
    """Batches on which sizes are measured, one per scene."""
    for index, scene in enumerate(world.MAKERS):
        scenes, rng = world.generate(scene, [seed, 3, index], 8, 3)
        yield batcher.batch(scenes, rng, 1.0)


class Sizes:
    """What a layer's parts give on those batches: mean squares of head outputs [6], attention and MLP, expert use [8]."""

    def __init__(self, layer):
        self.heads, self.attention, self.mlp, self.experts = [], [], [], []
        self.matrix = layer.self_attn.o_proj.weight
        layer.self_attn.o_proj.register_forward_hook(self.see_attention)
        layer.mlp.register_forward_hook(lambda module, inputs, output: self.mlp.append(output.pow(2).mean()))
        if hasattr(layer.mlp, "gate"):
            layer.mlp.gate.register_forward_hook(self.see_routing)

    def see_attention(self, module, inputs, output):
        context = inputs[0].flatten(0, 1).unflatten(1, (-1, HEAD))  # [tokens, heads, 32]
        parts = torch.einsum("thd,ohd->tho", context, self.matrix.unflatten(1, (-1, HEAD)))
        self.heads.append(parts.pow(2).mean((0, 2)))
        self.attention.append(output.pow(2).mean())

    def see_routing(self, gate, inputs, output):
        weights, ids = output[1].flatten(0, -2), output[2].flatten(0, -2)
        self.experts.append(torch.zeros(len(weights), gate.num_experts).scatter(1, ids, weights).mean(0))

    def mean(self, name):
        return torch.stack(getattr(self, name)).mean(0)


@torch.no_grad()
def measure(teacher, batcher, seed):
    sizes = [Sizes(layer) for layer in teacher.model.language_model.layers]
    for batch in scene_inputs(batcher, seed):
        batches.supervised_logits(teacher, batch)
    return sizes


def kept_heads(sizes, groups):
    """Indices of the heads kept: the same number of every key-value head's group, largest outputs first."""
    per_group = WIDTH // HEAD // groups
    grouped = sizes.mean("heads").view(groups, -1)
    best = grouped.topk(per_group, 1).indices.sort(1).values
    return (best + torch.arange(groups)[:, None] * grouped.shape[1]).flatten()


def neighbours(rows):
    """Rows of whole heads with channel pairs (i, i + 8) of the turning part moved to (2i, 2i + 1)."""
    order = torch.arange(HEAD)
    order[:ROTARY] = torch.arange(ROTARY).view(2, -1).T.flatten()
    return rows.unflatten(0, (-1, HEAD))[:, order].flatten(0, 1)


def copy_attention(new, old, sizes):
    heads = kept_heads(sizes, old.k_proj.out_features // HEAD)
    for name in ("weight", "bias"):
        q = getattr(old.q_proj, name).unflatten(0, (-1, HEAD))[heads].flatten(0, 1)
        getattr(new.q_proj, name).copy_(neighbours(q))
        getattr(new.k_proj, name).copy_(neighbours(getattr(old.k_proj, name)))
        getattr(new.v_proj, name).copy_(getattr(old.v_proj, name))
    new.o_proj.weight.copy_(old.o_proj.weight.unflatten(1, (-1, HEAD))[:, heads].flatten(1))


def copy_mlp(new, old, sizes):
    """A dense MLP as it is; of an expert layer the shared expert and the busiest ones, scaled by how much they are used."""
    if not hasattr(old, "gate"):
        parts = [(old.gate_proj.weight, old.up_proj.weight, old.down_proj.weight)]
    else:
        shared, use = old.shared_experts, sizes.mean("experts")
        parts = [(shared.gate_proj.weight, shared.up_proj.weight, shared.down_proj.weight)]
        room = new.down_proj.in_features - shared.down_proj.in_features
        for expert in use.topk(room // old.experts.down_proj.shape[2]).indices:
            gate, up = old.experts.gate_up_proj[expert].chunk(2)
            parts.append((gate, up, old.experts.down_proj[expert] * use[expert]))
    gates, ups, downs = zip(*parts)
    new.gate_up_proj.weight.copy_(torch.cat(gates + ups))
    new.down_proj.weight.copy_(torch.cat(downs, 1))


def copy_tokens(new, old, new_words, old_words):
    """Rows of the tokens both know, by their text; <answer> starts as the row of the line break it takes the place of."""
    same = {"<answer>": "Ċ", "</answer>": "<|user|>"}
    for text, row in new_words.get_vocab().items():
        known = old_words.token_to_id(same.get(text, text))
        new.weight[row] = old.weight[known]


@torch.no_grad()
def begin(twin, folder, batcher, seed):
    """Fill the dense twin of `batcher`'s family from the snapshot with experts in `folder`."""
    teacher = Glm4vMoeForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    teacher.eval()
    old_words = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    sizes = measure(teacher, batches.Batcher(old_words, MOE), seed)
    twin.model.visual.load_state_dict(teacher.model.visual.state_dict())
    twin.model.visual.requires_grad_(False)
    text, source = twin.model.language_model, teacher.model.language_model
    for new, old in ((text.embed_tokens, source.embed_tokens), (twin.lm_head, teacher.lm_head)):
        copy_tokens(new, old, batcher.tokenizer, old_words)
    text.norm.weight.copy_(source.norm.weight)
    for new, old, size in zip(text.layers, source.layers, sizes):
        copy_attention(new.self_attn, old.self_attn, size)
        copy_mlp(new.mlp, old.mlp, size)
        new.input_layernorm.weight.copy_(old.input_layernorm.weight)
        new.post_attention_layernorm.weight.copy_(old.post_attention_layernorm.weight)
        new.post_self_attn_layernorm.weight.mul_(size.mean("attention").sqrt())
        new.post_mlp_layernorm.weight.mul_(size.mean("mlp").sqrt())
