"""Tensors that nobody has to store: value = hash(name, index). The C++ side computes the same numbers.

    h = FNV-1a 64 of the UTF-8 name            z = h + (i + 1) * 0x9E3779B97F4A7C15   (mod 2^64)
    z ^= z >> 30   z *= 0xBF58476D1CE4E5B9     z ^= z >> 27   z *= 0x94D049BB133111EB   z ^= z >> 31
    u = (z >> 40) * 2^-24                      value = offset + scale * (2u - 1), float64, rounded to float32
"""

import math

import numpy
import torch

RULE = ("h=fnv1a64(name); z=h+(i+1)*0x9E3779B97F4A7C15; z^=z>>30; z*=0xBF58476D1CE4E5B9; z^=z>>27; "
        "z*=0x94D049BB133111EB; z^=z>>31; u=(z>>40)*2^-24; value=offset+scale*(2u-1) in f64, to f32, weights then to bf16")
SCALES = ("matrix: sqrt(3/fan_in); embedding and position tables: sqrt(3); norm weight: offset 1 scale 0.3; "
          "bias: 0.2; e_score_correction_bias: 0.1, stays f32")
BLOCK = 1 << 22  # elements per pass: keeps the temporaries of a 50-million-element weight small


def fnv1a64(text):
    """64-bit FNV-1a of a string's UTF-8 bytes."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return value


def uniform(name, first, count):
    """float64 [count] in [0, 1): elements first .. first+count-1 of the stream called `name`."""
    with numpy.errstate(over="ignore"):
        z = numpy.arange(first + 1, first + count + 1, dtype=numpy.uint64)
        z = z * numpy.uint64(0x9E3779B97F4A7C15) + numpy.uint64(fnv1a64(name))
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z = z ^ (z >> numpy.uint64(31))
    return (z >> numpy.uint64(40)).astype(numpy.float64) * 2.0**-24


def tensor(name, shape, scale, offset=0.0):
    """float32 tensor of `shape` with values in [offset - scale, offset + scale)."""
    out = torch.empty(math.prod(shape), dtype=torch.float32)
    for first in range(0, out.numel(), BLOCK):
        count = min(BLOCK, out.numel() - first)
        values = offset + scale * (2.0 * uniform(name, first, count) - 1.0)
        out[first:first + count] = torch.from_numpy(values.astype(numpy.float32))
    return out.view(shape)


def integers(name, count, below):
    """int64 [count] in [0, below)."""
    return torch.from_numpy((uniform(name, 0, count) * below).astype(numpy.int64))


def scale_and_offset(name, shape):
    """The rule of SCALES for a weight with this on-disk name."""
    if name.endswith("e_score_correction_bias"):
        return 0.1, 0.0
    if name.endswith("bias"):
        return 0.2, 0.0
    if len(shape) == 1:
        return 0.3, 1.0
    if name.endswith(("embed_tokens.weight", "position_embedding.weight")):
        return math.sqrt(3.0), 0.0
    return math.sqrt(3.0 / math.prod(shape[1:])), 0.0


def weight(name, shape, prefix=""):
    """A weight in its storage dtype: bf16, except the router's correction bias, which is f32.

    `prefix` lets many models have different weights under the same names; it is hashed before the name.
    """
    values = tensor(prefix + name, shape, *scale_and_offset(name, shape))
    return values if name.endswith("e_score_correction_bias") else values.to(torch.bfloat16)
