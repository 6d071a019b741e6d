"""Records every trace point of a running Hugging Face model, under the names of a glmv trace.

Names are module paths; the inner points that are no module's output come from pre-hooks and from a wrapper
around `apply_rotary_pos_emb`. A point that fires twice (two chunks of a prompt; the tower run for pictures and
then for clips) is concatenated along its first axis. Tensors keep the dtype they have in the library.
"""

import re

import torch
from transformers.models.glm4v import modeling_glm4v
from transformers.models.glm4v_moe import modeling_glm4v_moe

# Modules whose output is recorded as it is.
PLAIN = re.compile(
    r"model\.visual\.(patch_embed|post_conv_layernorm|embeddings|post_layernorm|downsample|merger"
    r"|blocks\.\d+(\.(norm1|attn|norm2|mlp))?)"
    r"|model\.language_model\.(norm|layers\.\d+(\.(input_layernorm|self_attn|post_self_attn_layernorm"
    r"|post_attention_layernorm|mlp|mlp\.experts|mlp\.shared_experts|post_mlp_layernorm))?)"
    r"|lm_head")


class Recorder:
    """Use as a context; `points` holds the trace afterwards. `prefix` is "" or "step.{n}/"."""

    def __init__(self, model):
        self.model = model
        self.prefix = ""
        self.pieces = {}
        self.handles = []
        self.layer = None  # the attention module that runs now: apply_rotary_pos_emb does not say whose q it gets

    def __enter__(self):
        for name, module in self.model.named_modules():
            self.attach(name, module)
        self.wrap_rotary()
        return self

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()
        self.library.apply_rotary_pos_emb = self.original_rotary

    @property
    def points(self):
        """Trace name -> tensor."""
        return {name: torch.cat(pieces) for name, pieces in self.pieces.items()}

    def add(self, name, tensor):
        """Append rows to a point. Copies: the library may go on to change the tensor in place."""
        self.pieces.setdefault(self.prefix + name, []).append(tensor.detach().clone().contiguous())

    def attach(self, name, module):
        """Hook one module, if it makes a trace point."""
        if PLAIN.fullmatch(name):
            self.on_output(module, lambda out: self.add(trace_name(name), without_batch(out)))
        if name.endswith("rotary_pos_emb"):
            self.on_output(module, self.vision_rotary)
        if name.endswith("rotary_emb"):
            self.on_output(module, self.text_rotary)
        if name.endswith("mlp.gate"):
            self.on_output(module, lambda out: self.router(name, *out))
        if name.endswith("attn.qkv"):
            self.on_output(module, lambda out: self.vision_qkv(name.removesuffix(".qkv"), out))
        if name.endswith(("q_proj", "k_proj", "v_proj")):
            self.on_output(module, lambda out: self.add(name.removesuffix("_proj"), self.by_head(name, out)))
        if name.endswith((".self_attn.o_proj", ".attn.proj")):
            parent = name.rsplit(".", 1)[0]
            self.on_input(module, lambda args, _: self.add(parent + ".context", self.by_head(name, args[0])))
        if name.endswith("self_attn"):
            self.on_input(module, lambda *_: setattr(self, "layer", name))
        if name == "model.language_model":
            self.on_input(module, lambda _, kwargs: self.add("inputs_embeds", kwargs["inputs_embeds"][0]))

    def on_output(self, module, action):
        """Call action(output). The hook returns None: anything else would replace the output."""
        def hook(_module, _args, output):
            action(output)
        self.handles.append(module.register_forward_hook(hook))

    def on_input(self, module, action):
        """Call action(args, kwargs) before the module runs."""
        def hook(_module, args, kwargs):
            action(args, kwargs)
        self.handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))

    def by_head(self, name, tensor):
        """[T, heads * d] (batch axis or not) -> [T, heads, d] for the attention module that owns `name`."""
        head_dim = self.model.get_submodule(name.rsplit(".", 1)[0]).head_dim
        return without_batch(tensor).unflatten(-1, (-1, head_dim))

    def vision_qkv(self, parent, qkv):
        """[P, 3 * heads * d] -> q, k, v [P, heads, d], before rotation."""
        head_dim = self.model.get_submodule(parent).head_dim
        for letter, tensor in zip("qkv", qkv.unflatten(-1, (3, -1, head_dim)).unbind(1)):
            self.add(f"{parent}.{letter}", tensor)

    def vision_rotary(self, output):
        """cos, sin f32 [P, d]: the second half repeats the first. Keeps [P, d/2]."""
        for letter, table in zip(("cos", "sin"), output):
            self.add(f"model.visual.rotary.{letter}", table[:, :table.shape[-1] // 2])

    def text_rotary(self, output):
        """cos, sin [1, T, R] in the model dtype, every angle twice. The dense family repeats neighbours."""
        for letter, table in zip(("cos", "sin"), output):
            half = table.shape[-1] // 2
            distinct = table[0, :, :half] if is_moe(self.model) else table[0, :, 0::2]
            self.add(f"model.language_model.rotary.{letter}", distinct)

    def router(self, name, logits, weights, ids):
        """Router logits f32 [T, E]; ids i64 and weights f32 [T, K] in ascending order of id (theirs have no order)."""
        ids, order = ids.sort(dim=-1)
        self.add(name + ".logits", logits)
        self.add(name + ".topk_ids", ids)
        self.add(name + ".topk_weights", weights.gather(-1, order))

    def wrap_rotary(self):
        """Record the rotated q and k ([1, heads, T, d] there, [T, heads, d] in a trace)."""
        self.library = modeling_glm4v_moe if is_moe(self.model) else modeling_glm4v
        self.original_rotary = self.library.apply_rotary_pos_emb

        def recording(*args, **kwargs):
            rotated = self.original_rotary(*args, **kwargs)
            for letter, tensor in zip("qk", rotated):
                self.add(f"{self.layer}.{letter}_rot", tensor[0].transpose(0, 1))
            return rotated

        self.library.apply_rotary_pos_emb = recording


def is_moe(model):
    """True for glm4v_moe, False for the dense glm4v."""
    return model.config.model_type == "glm4v_moe"


def trace_name(name):
    """The trace name of a module path."""
    return "logits" if name == "lm_head" else name


def without_batch(output):
    """First element of a tuple, then: [1, T, ...] -> [T, ...]; [P, out, 1, 1] of the downsample -> [P, out]."""
    tensor = output[0] if isinstance(output, tuple) else output
    if tensor.dim() == 4:
        return tensor.flatten(1)
    return tensor[0] if tensor.dim() == 3 else tensor
