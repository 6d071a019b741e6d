"""A safetensors writer whose output depends on its input only (the library's header order is random)."""

import hashlib
import json
from pathlib import Path

import torch

DTYPE_NAME = {torch.float32: "F32", torch.bfloat16: "BF16", torch.int64: "I64"}


def write(path, tensors, metadata):
    """Write `tensors` (name -> tensor) with string `metadata`; widest dtype first, so every offset is aligned."""
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header, offset = {"__metadata__": metadata}, 0
    for name in order:
        tensor = tensors[name]
        end = offset + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": DTYPE_NAME[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            file.write(raw_bytes(tensors[name]))


def raw_bytes(tensor):
    """The little-endian bytes of a tensor; numpy has no bfloat16, so the bytes are viewed, not the values."""
    return tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()


def sha256_of(paths):
    """sha256 over the bytes of several files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()


def model_sha256(folder):
    """The model hash of a trace: sha256 over the safetensors files of a model folder in name order."""
    return sha256_of(sorted(Path(folder).glob("model*.safetensors"), key=lambda path: path.name))
