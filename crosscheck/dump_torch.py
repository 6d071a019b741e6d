"""Records what a running PyTorch engine computes, for `glmv crosscheck`. One file; needs nothing but torch.

    from dump_torch import Recorder
    recorder = Recorder(model, "vllm")        # transformers, vllm, sglang or megatron: whose module names these are
    with recorder:
        ...                                   # one request: the prompt, and decode steps if you like (generate())
    recorder.write("mine.safetensors")        # every tensor-parallel rank writes a file of its own
    # glmv crosscheck --model DIR --against mine.safetensors --inputs inputs.safetensors

Module names stay the engine's, and the file says whose they are; crosscheck translates them and undoes the layout
(fused projections, a residual beside the hidden state, shards of ranks). Several sequences packed into one batch:
Recorder(..., tokens=(begin, end)) keeps the rows of one. A prompt that comes in chunks is put together again.

Hooks are Python: CUDA graphs and torch.compile go past them without a word. Run the engine without
(vLLM: enforce_eager=True, SGLang: --disable-cuda-graph); write() says which hooks never fired, and refuses to write
if none did.

For a Hugging Face model this file is a program too:
    python dump_torch.py DIR inputs.safetensors mine.safetensors [--steps N] [--dtype bf16]
"""

import argparse
import json
import re
import struct
import sys

import torch

NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
         torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL"}

TOWER = r"(patch_embed|post_conv_layernorm|embeddings|post_layernorm|downsample|merger|blocks\.\d+" \
        r"(\.(norm1|norm2|attn|attn\.qkv|attn\.qkv_proj|mlp))?)"
LAYER = r"(\.(input_layernorm|post_attention_layernorm|post_self_attn_layernorm|post_mlp_layernorm|self_attn|mlp" \
        r"|self_attn\.(qkv_proj|q_proj|k_proj|v_proj|rotary_emb)|mlp\.(gate|experts|shared_experts|topk)))?"


class Engine:
    """Which modules of an engine are points, and where its decoder is. Patterns match whole module names."""

    def __init__(self, tower, decoder, layer, extra, decoder_norm=r"\.norm"):
        self.points = re.compile(rf"{tower}\.{TOWER}|{decoder}\.layers\.\d+{layer}|{decoder}{decoder_norm}|{extra}")
        self.decoder = re.compile(decoder)
        self.first = re.compile(rf"{tower}\.blocks\.0|{decoder}\.layers\.0")
        self.embedding = re.compile(rf"{decoder}\.embed_tokens")
        self.context = re.compile(rf"{decoder}\.layers\.\d+\.self_attn\.o_proj|{tower}\.blocks\.\d+\.attn\.proj")


MEGATRON = r"(\.(input_layernorm|self_attention|pre_mlp_layernorm|mlp|mlp\.router|mlp\.shared_experts" \
           r"|self_attention\.(linear_qkv|core_attention)))?"
ENGINES = {
    "transformers": Engine(r"model\.visual", r"model\.language_model", LAYER,
                           r"lm_head|model\.visual\.rotary_pos_emb|model\.language_model\.rotary_emb"),
    "vllm": Engine("visual", r"language_model\.model", LAYER, r"language_model\.(logits_processor|lm_head)"),
    "sglang": Engine("visual", "model", LAYER, "logits_processor|lm_head"),
    "megatron": Engine(r"(module\.)*(vision_model|visual)", r"(module\.)*language_model\.decoder", MEGATRON,
                       r"(module\.)*language_model\.output_layer", r"\.final_layernorm"),
}
INPUTS = {"input_ids": "input_ids", "position_ids": "position_ids", "positions": "position_ids",
          "inputs_embeds": "inputs_embeds", "attention_mask": "attention_mask"}


def tensors_in(value):
    """[(suffix, tensor)]: a tensor is itself, those of a tuple or list are .0, .1 ..."""
    if isinstance(value, torch.Tensor):
        return [("", value)]
    if isinstance(value, (tuple, list)):
        return [(f".{i}", part) for i, part in enumerate(value) if isinstance(part, torch.Tensor)]
    return [(f".{name}", part) for name, part in vars(value).items() if isinstance(part, torch.Tensor)] \
        if hasattr(value, "__dict__") else []


class Recorder:
    """Hooks every module of `model` that is a point of `engine`; between `with` and its end their outputs are kept."""

    def __init__(self, model, engine, tokens=None, keep=None):
        if engine not in ENGINES:
            raise ValueError(f"engine {engine!r}: known are {', '.join(ENGINES)}")
        self.engine, self.names, self.tokens = ENGINES[engine], engine, tokens
        self.keep = re.compile(keep) if keep else None
        self.model, self.handles, self.points, self.fired = model, [], {}, set()
        self.step, self.prompt_rows, self.attention = 0, 0, ""
        self.ids_outside = {}  # of the pass that is about to begin: who was given them -> input_ids

    def __enter__(self):
        for name, module in self.model.named_modules():
            if name == "" or self.engine.embedding.fullmatch(name):
                self.handles.append(module.register_forward_pre_hook(self._ids_of(name), with_kwargs=True))
            if self.engine.decoder.fullmatch(name):
                self.handles.append(module.register_forward_pre_hook(self._pass_begins, with_kwargs=True))
            if self.engine.first.fullmatch(name) or self.engine.context.fullmatch(name):
                self.handles.append(module.register_forward_pre_hook(self._input_of(name), with_kwargs=True))
            if name.endswith((".self_attn", ".self_attention")):
                self.handles.append(module.register_forward_pre_hook(self._attention_begins(name)))
            if self.engine.points.fullmatch(name):
                self.handles.append(module.register_forward_hook(self._output_of(name)))
                self.fired.discard(name)
        self.hooked = [name for name, _ in self.model.named_modules() if self.engine.points.fullmatch(name)]
        if not self.hooked:
            raise ValueError(f"no module of this model is called as {self.names} calls them; the first are "
                             + ", ".join(name for name, _ in list(self.model.named_modules())[1:6]))
        return self

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()
        self.handles = []

    # ---- hooks; they return None, so nothing is replaced ----

    def _pass_begins(self, _module, args, kwargs):
        given = {INPUTS[k]: v for k, v in kwargs.items() if k in INPUTS and isinstance(v, torch.Tensor)}
        if args and isinstance(args[0], torch.Tensor) and not args[0].is_floating_point():
            given.setdefault("input_ids", args[0])
        rows = max([v.shape[-1] for k, v in given.items() if k in ("input_ids", "position_ids")]
                   + [v.shape[-2] for k, v in given.items() if k == "inputs_embeds"], default=0)
        for who in sorted(self.ids_outside):  # the model before its embedding, whose ids may lack the placeholders
            if self.ids_outside[who].shape[-1] == rows:
                given.setdefault("input_ids", self.ids_outside[who])
        self.ids_outside = {}
        decoding = rows == 1 and self.prompt_rows > 0
        self.step = self.step + 1 if decoding else 0
        self.prompt_rows += 0 if decoding else rows
        for name, value in given.items():
            self._add(name, value, axis=-2 if name == "inputs_embeds" else -1)

    def _ids_of(self, name):
        """Decoders that are given inputs_embeds never see ids: the whole model or the embedding was given them before."""
        def hook(_module, args, kwargs):
            ids = kwargs.get("input_ids", args[0] if args else kwargs.get("input"))
            if isinstance(ids, torch.Tensor) and not ids.is_floating_point():
                self.ids_outside[name] = ids
        return hook

    def _attention_begins(self, name):
        def hook(_module, _args):
            self.attention = name
        return hook

    def _input_of(self, name):
        def hook(_module, args, kwargs):
            values = [v for v in (*args, *kwargs.values()) if isinstance(v, torch.Tensor) and v.is_floating_point()]
            if values:
                self._add(f"{name}.input", values[0])
        return hook

    def _output_of(self, name):
        shared = name.endswith(".rotary_emb") and ".layers." in name  # one module that every layer calls

        def hook(_module, _args, output):
            self.fired.add(name)
            path = f"{self.attention}.rotary_emb" if shared else name
            for suffix, tensor in tensors_in(output):
                self._add(path + suffix, tensor)
        return hook

    def _add(self, name, tensor, axis=None):
        """Keeps a copy now: engines write into their buffers again. A further chunk goes behind the first."""
        if self.keep and not self.keep.search(name):
            return
        tensor = tensor.detach().cpu().clone()
        if self.tokens and ("language_model" in name or "layers" in name or axis is not None):
            tensor = self._rows_of_one_sequence(tensor, axis)
        name = name if self.step == 0 else f"step.{self.step}/{name}"
        before = self.points.get(name)
        if before is not None:
            rows = next((i for i, (a, b) in enumerate(zip(before.shape, tensor.shape)) if a != b), None)
            axis = rows if axis is None and rows is not None else (axis if axis is not None else 0)
            tensor = torch.cat([before, tensor], dim=axis)
        self.points[name] = tensor.contiguous()

    def _rows_of_one_sequence(self, tensor, axis):
        begin, end = self.tokens
        axis = next((i for i, n in enumerate(tensor.shape) if n >= end), None) if axis is None else axis
        return tensor if axis is None else tensor.narrow(axis, begin, end - begin)

    # ---- the file ----

    def silent(self):
        """Hooked modules whose hooks never fired."""
        return [name for name in self.hooked if name not in self.fired]

    def write(self, path):
        silent = self.silent()
        if len(silent) == len(self.hooked):
            raise RuntimeError("no hook fired: the model ran inside a CUDA graph or torch.compile, in another process, "
                               "or not at all (vLLM: enforce_eager=True; SGLang: --disable-cuda-graph)")
        layers = [name for name in silent if re.search(r"layers\.\d+$", name)]
        if layers:
            print(f"*** WARNING: {len(layers)} decoder layers never reached their hooks, so this dump is PARTIAL: a CUDA "
                  "graph or torch.compile goes past hooks\n*** (vLLM: enforce_eager=True; SGLang: --disable-cuda-graph)",
                  file=sys.stderr)
        elif silent:
            print(f"{len(silent)} of {len(self.hooked)} hooks never fired (the engine computes these inside others): "
                  + ", ".join(silent[:4]) + (" ..." if len(silent) > 4 else ""), file=sys.stderr)
        metadata = {"names": self.names, "producer": f"dump_torch, torch {torch.__version__}"}
        floats = [t.dtype for n, t in self.points.items() if t.is_floating_point() and ".gate" not in n]
        if floats:
            metadata["dtype"] = {torch.bfloat16: "bf16", torch.float64: "f64"}.get(
                max(set(floats), key=floats.count), "f32")
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        if distributed and torch.distributed.get_world_size() > 1:
            rank = torch.distributed.get_rank()
            path = re.sub(r"(\.safetensors)?$", f".rank{rank}.safetensors", str(path), count=1)
        write_safetensors(path, self.points, metadata)
        return path


def bytes_of(tensor):
    raw = tensor.contiguous().flatten()
    return bytes(raw.view(torch.uint8).numpy().tobytes()) if raw.numel() else b""


def write_safetensors(path, tensors, metadata):
    """The format: the header's length in eight bytes, a JSON header, the data without holes, widest types first."""
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header, at = {"__metadata__": metadata}, 0
    for name in order:
        tensor = tensors[name]
        size = tensor.numel() * tensor.element_size()
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(bytes_of(tensors[name]))


def read_safetensors(path):
    types = {name: dtype for dtype, name in NAMES.items()}
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: torch.frombuffer(bytearray(data[e["data_offsets"][0]:e["data_offsets"][1]]),
                                   dtype=types[e["dtype"]]).reshape(e["shape"]) for name, e in header.items()}


def dump_hugging_face(folder, inputs_file, out, steps=0, dtype=torch.float32):
    """One forward pass of the Hugging Face model on recorded inputs, or its generate() with `steps` greedy tokens."""
    from transformers import AutoModelForImageTextToText
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype).eval()
    wanted = ("input_ids", "mm_token_type_ids", "pixel_values", "image_grid_thw", "pixel_values_videos",
              "video_grid_thw")
    inputs = {name: tensor for name, tensor in read_safetensors(inputs_file).items() if name in wanted}
    per_sequence = ("input_ids", "mm_token_type_ids")
    given = {name: t[None] if name in per_sequence else t for name, t in inputs.items()}
    with torch.no_grad(), Recorder(model, "transformers") as recorder:
        if steps:
            model.generate(**given, max_new_tokens=steps + 1, min_new_tokens=steps + 1, do_sample=False)
        else:
            model(**given)
    recorder.points.update(inputs)
    recorder.write(out)


def main():
    parser = argparse.ArgumentParser(description="Records what the Hugging Face model of a snapshot computes. For any "
                                     "other engine import Recorder: the top of this file says how.")
    parser.add_argument("folder", metavar="DIR", help="the snapshot")
    parser.add_argument("inputs", metavar="INPUTS.safetensors", help="a prompt, as glmv preprocess writes it")
    parser.add_argument("out", metavar="OUT.safetensors", help="what to write")
    parser.add_argument("--steps", type=int, default=0, metavar="N", help="greedy decode steps of generate()")
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32", help="what the model computes in")
    a = parser.parse_args()
    if a.steps < 0:
        parser.error(f"--steps {a.steps}: a number from 0 is wanted")
    dump_hugging_face(a.folder, a.inputs, a.out, a.steps, {"f32": torch.float32, "bf16": torch.bfloat16}[a.dtype])


if __name__ == "__main__":
    main()
