#!/usr/bin/env python3
"""`crosscheck --isolate` needs the memory of one layer, however large the checkpoint is.

    isolate_memory.py GLMV [--layers 40] [--hidden 256] [--ffn 2048]

Writes a random checkpoint of many layers in shards, records a trace of it, and judges the trace with --isolate. The
peak of the resident memory, as the system counted it for that process, must stay below that with a small model plus six
layers: a layer's bf16 weights, the same in f64 (four times as much), its points and the cache. Needs numpy only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy

HERE = Path(__file__).resolve().parent


def tensors_of(config):
    """(name, shape) per layer of a dense-family checkpoint, and those outside; no vision tower is asked for."""
    text = config["text_config"]
    h, f, v = text["hidden_size"], text["intermediate_size"], text["vocab_size"]
    d = h // text["num_attention_heads"]
    q, kv = text["num_attention_heads"] * d, text["num_key_value_heads"] * d
    layer = {"input_layernorm.weight": [h], "post_attention_layernorm.weight": [h], "post_self_attn_layernorm.weight": [h],
             "post_mlp_layernorm.weight": [h], "self_attn.q_proj.weight": [q, h], "self_attn.k_proj.weight": [kv, h],
             "self_attn.v_proj.weight": [kv, h], "self_attn.o_proj.weight": [h, q], "self_attn.q_proj.bias": [q],
             "self_attn.k_proj.bias": [kv], "self_attn.v_proj.bias": [kv], "mlp.gate_up_proj.weight": [2 * f, h],
             "mlp.down_proj.weight": [h, f]}
    outer = {"model.language_model.embed_tokens.weight": [v, h], "model.language_model.norm.weight": [h],
             "lm_head.weight": [v, h]}
    return layer, outer


def bf16(random, name, shape):
    if name.endswith("norm.weight"):
        values = 1 + 0.1 * random.standard_normal(shape, dtype=numpy.float32)
    else:
        values = random.standard_normal(shape, dtype=numpy.float32) * numpy.float32((shape[-1] if len(shape) > 1 else 100) ** -0.5)
    return (values.view(numpy.uint32) >> 16).astype(numpy.uint16).tobytes()


def write_shard(path, random, tensors):
    header, offset = {}, 0
    for name, shape in tensors.items():
        size = 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in tensors.items():
            file.write(bf16(random, name, shape))
    return offset


def shapes_of_tower(folder, out):
    """Of the small golden model, with another width behind it. Only text is asked: its numbers do not matter."""
    width = json.loads((folder / "config.json").read_text())["vision_config"]["out_hidden_size"]
    with open(folder / "model.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return {name: [out if n == width else n for n in tensor["shape"]]
            for name, tensor in header.items() if name.startswith("model.visual.")}


def make_checkpoint(folder, args):
    """Returns bytes of all layers and of one."""
    source = HERE / "golden" / "dense_b"
    config = json.loads((source / "config.json").read_text())
    text = config["text_config"]
    text.update(hidden_size=args.hidden, intermediate_size=args.ffn, num_hidden_layers=args.layers,
                num_attention_heads=args.hidden // 16, num_key_value_heads=args.hidden // 32)  # heads of 16, as before
    config["vision_config"]["out_hidden_size"] = text["hidden_size"]
    (folder / "config.json").write_text(json.dumps(config))
    layer, outer = tensors_of(config)
    random = numpy.random.default_rng(5)
    where, one = {}, 0
    for i in range(args.layers):
        named = {f"model.language_model.layers.{i}.{name}": shape for name, shape in layer.items()}
        file = f"model-{i:05}.safetensors"
        one = write_shard(folder / file, random, named)
        where.update({name: file for name in named})
    write_shard(folder / "model-outer.safetensors", random, outer)
    where.update({name: "model-outer.safetensors" for name in outer})
    shapes = shapes_of_tower(source, args.hidden)
    write_shard(folder / "model-tower.safetensors", random, shapes)
    where.update({name: "model-tower.safetensors" for name in shapes})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return one * args.layers, one


def isolated(glmv, model, trace, folder):
    """What crosscheck --isolate reports of itself."""
    report = folder / "report.json"
    done = subprocess.run([glmv, "crosscheck", "--model", model, "--against", trace, "--isolate", "--json", "-q", "-o", report],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"crosscheck --isolate ends with {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(report.read_text())["isolation"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("glmv")
    parser.add_argument("--layers", type=int, default=40)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--ffn", type=int, default=2048)
    parser.add_argument("--folder", help="where to write; a temporary one if not given")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        folder = Path(temporary)
        total, one = make_checkpoint(folder, args)
        inputs = HERE / "golden" / "dense_b" / "traces" / "text.safetensors"
        small = isolated(args.glmv, HERE / "golden" / "dense_b", inputs, folder)
        subprocess.run([args.glmv, "trace", "--model", folder, "--inputs", inputs, "--layers", r"layers\.\d+$|logits",
                        "-q", "-o", folder / "theirs.safetensors"], check=True)
        found = isolated(args.glmv, folder, folder / "theirs.safetensors", folder)
    base, mebi = small["peak_rss_bytes"], 1 << 20
    print(f"layers {total / mebi:.0f} MiB, one of them {one / mebi:.1f} MiB; peak of crosscheck --isolate "
          f"{found['peak_rss_bytes'] / mebi:.0f} MiB, with a small model {base / mebi:.0f} MiB; "
          f"{found['segments']} segments in {found['duration_ns'] / 1e9:.1f} s")
    if found["made_here"] + found["input_not_in_trace"] > 0:
        sys.exit("an error was blamed on a clean trace")
    if found["peak_rss_bytes"] > base + 6 * one:
        sys.exit(f"the peak is above {base / mebi:.0f} MiB and six layers")


if __name__ == "__main__":
    main()
