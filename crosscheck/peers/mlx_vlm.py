"""Dumps what MLX-VLM computes for one prompt: every stage of the tower and the decoder, under MLX's module names.

    pip install "mlx[cpu]" mlx-lm mlx-vlm
    glmv preprocess --model DIR --image picture.png --prompt "..." -o inputs.safetensors
    python mlx_vlm.py DIR inputs.safetensors mlx.npz
    glmv crosscheck --model DIR --against mlx.npz --map mlx --inputs inputs.safetensors

Modules are replaced by wrappers that record what they return: MLX has no hooks. --true-table looks below the first
mistake: the sum with the position table is replaced by the one of a trace (glmv trace ... -o TRACE).
Exit code 77 where MLX-VLM is not installed.
"""

import argparse
import importlib.util
import pathlib
import re
import sys

TOWER = ("patch_embed", "post_conv_layernorm", "embeddings", "post_layernorm", "downsample", "merger")
BLOCK = ("norm1", "attn", "norm2", "mlp")
LAYER = ("input_layernorm", "self_attn", "post_attention_layernorm", "mlp")


def not_available(why):
    print(f"not available: {why}", file=sys.stderr)
    sys.exit(77)


class Recorder:
    """Stands in for a module: calls it and keeps its output (or the value that is to be put in its place)."""

    def __init__(self, module, name, kept, instead=None):
        self._module, self._name, self._kept, self._instead = module, name, kept, instead

    def __call__(self, *args, **kwargs):
        out = self._module(*args, **kwargs)
        if self._instead is not None:
            out = self._instead
        if isinstance(out, tuple):
            for i, part in enumerate(out):
                self._kept[f"{self._name}.{i}"] = part
        else:
            self._kept[self._name] = out
        return out

    def __getattr__(self, name):
        return getattr(self._module, name)


def wrap(parent, names, path, kept, instead=None):
    for name in names:
        if name in parent:
            parent[name] = Recorder(parent[name], f"{path}.{name}", kept, instead)


def wrap_all(model, kept, true_table):
    tower, text = model.vision_tower, model.language_model.model
    for i, block in enumerate(tower.blocks):
        wrap(block, BLOCK, f"vision_tower.blocks.{i}", kept)
        tower.blocks[i] = Recorder(block, f"vision_tower.blocks.{i}", kept)
    wrap(tower, [name for name in TOWER if name != "embeddings"], "vision_tower", kept)
    wrap(tower, ["embeddings"], "vision_tower", kept, true_table)
    for i, layer in enumerate(text.layers):
        path = f"language_model.model.layers.{i}"
        if "gate" in layer.mlp:
            wrap(layer.mlp, ("gate", "shared_experts"), f"{path}.mlp", kept)
        wrap(layer.self_attn, ("q_proj", "k_proj", "v_proj"), f"{path}.self_attn", kept)
        wrap(layer, LAYER, path, kept)
        text.layers[i] = Recorder(layer, path, kept)
    wrap(text, ("norm",), "language_model.model", kept)
    wrap(model.language_model, ("lm_head",), "language_model", kept)


def f32_arrays(mx, np, kept):
    """Elements that are integers stay so; all others are written as f32, in which the run was."""
    out = {}
    for name, value in kept.items():
        integer = mx.issubdtype(value.dtype, mx.integer)
        out[name] = np.array(value.astype(mx.int32 if integer else mx.float32))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("inputs", help="what glmv preprocess wrote")
    parser.add_argument("out", help="an npz file")
    parser.add_argument("--true-table", metavar="TRACE", help="take model.visual.embeddings from this trace")
    parser.add_argument("--keep", default="", help="keep only names in which this regular expression is found")
    args = parser.parse_args()
    for package in ("mlx", "mlx_vlm"):
        # This file is called like the package: only what is installed elsewhere counts.
        sys.path[:] = [p for p in sys.path if pathlib.Path(p or ".").resolve() != pathlib.Path(__file__).parent.resolve()]
        if importlib.util.find_spec(package) is None:
            not_available(f"{package} is not installed")
    import mlx.core as mx
    import numpy as np
    from mlx_vlm.utils import load_model

    model = load_model(args.model)
    model.set_dtype(mx.float32)
    inputs = mx.load(args.inputs)
    table = mx.load(args.true_table)["model.visual.embeddings"] if args.true_table else None
    kept = {}
    wrap_all(model, kept, table)
    ids = inputs["input_ids"].reshape(1, -1)
    media = {name: inputs[name] for name in ("image_grid_thw", "video_grid_thw") if name in inputs}
    pixels = inputs.get("pixel_values", inputs.get("pixel_values_videos"))
    embeds = model.get_input_embeddings(ids, pixels, **media).inputs_embeds
    kept["inputs_embeds"] = embeds
    # MLX looks for vision_start_token_id, which other vocabularies do not have: the positions are handed to it.
    model.language_model(ids, inputs_embeds=embeds, position_ids=inputs["position_ids"].reshape(3, 1, -1))
    arrays = f32_arrays(mx, np, {name: value for name, value in kept.items() if re.search(args.keep, name)})
    np.savez_compressed(args.out, **arrays)
    print(f"{args.out}: {len(arrays)} tensors", file=sys.stderr)


if __name__ == "__main__":
    main()
