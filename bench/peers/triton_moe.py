"""Grouped experts in Triton for a dumped case of moe_experts, judged like glmv's own kernels.

    glmv cases --dump 'moe_experts/glm45v_uniform_bf16_hf_T64_H4096_F1408_E128_K8' -o case.safetensors
    python bench/peers/triton_moe.py case.safetensors > triton.json          (on a machine with an NVIDIA GPU)
    glmv bench moe_experts/glm45v_uniform_bf16_hf_T64 --backend cuda --l2 warm -o glmv.json
    glmv compare triton.json glmv.json

Slots (a token's k-th expert) are sorted by expert and cut into tiles of rows of one expert each; one kernel makes
silu(gate) * up of a tile, the second one down times the slot's weight, added up in f32. Rounds to bf16 where the Hugging
Face model does. Timed by CUDA events, cache warm. TRITON_INTERPRET=1 checks it on any machine, slowly and without a time.
"""
import json
import os
import sys

try:
    import torch
    import triton
    import triton.language as tl
except ImportError as e:
    sys.exit(f"not available: {e.name}")
from case_file import Case, result, rounds_of_events, row

interpreted = os.environ.get("TRITON_INTERPRET") == "1"
if not torch.cuda.is_available() and not interpreted:
    sys.exit("not available: torch sees no GPU")
device = "cpu" if interpreted else "cuda"
ROWS, COLUMNS, DEPTH = 16, 64, 64  # of a tile of the product


@triton.jit
def product(a, b, widened: tl.constexpr):
    """The interpreter takes bf16 operands of a dot for integers."""
    if widened:
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b)


@triton.jit
def rounded(value):
    """f32 to the nearest bf16, ties to even, as f32: the interpreter's own cast cuts off."""
    bits = value.to(tl.int32, bitcast=True)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & -65536
    return bits.to(tl.float32, bitcast=True)


@triton.jit
def gate_up_kernel(x, gate, up, inner, slot_of_row, expert_of_tile, slots, top_k, width, ffn,
                   rows: tl.constexpr, columns: tl.constexpr, depth: tl.constexpr, widened: tl.constexpr):
    """inner[slot, ffn] = silu(x[token] . gate) * (x[token] . up), rounded three times."""
    tile, block = tl.program_id(0), tl.program_id(1)
    expert = tl.load(expert_of_tile + tile).to(tl.int64)
    slot = tl.load(slot_of_row + tile * rows + tl.arange(0, rows))
    inside = slot < slots
    column = block * columns + tl.arange(0, columns)
    gate_sum = tl.zeros((rows, columns), tl.float32)
    up_sum = tl.zeros((rows, columns), tl.float32)
    for begin in range(0, width, depth):
        k = begin + tl.arange(0, depth)
        a = tl.load(x + (slot // top_k)[:, None] * width + k[None, :], inside[:, None] & (k[None, :] < width), 0.0)
        at = expert * ffn * width + column[None, :] * width + k[:, None]
        there = (column[None, :] < ffn) & (k[:, None] < width)
        gate_sum += product(a, tl.load(gate + at, there, 0.0), widened)
        up_sum += product(a, tl.load(up + at, there, 0.0), widened)
    g = rounded(gate_sum)
    out = rounded(rounded(g / (1 + tl.exp(-g))) * rounded(up_sum)).to(tl.bfloat16)
    tl.store(inner + slot[:, None] * ffn + column[None, :], out, inside[:, None] & (column[None, :] < ffn))


@triton.jit
def down_kernel(inner, down, weights, out, slot_of_row, expert_of_tile, slots, top_k, width, ffn,
                rows: tl.constexpr, columns: tl.constexpr, depth: tl.constexpr, widened: tl.constexpr):
    """out[token, width] += weight of the slot * (inner[slot] . down), the product rounded."""
    tile, block = tl.program_id(0), tl.program_id(1)
    expert = tl.load(expert_of_tile + tile).to(tl.int64)
    slot = tl.load(slot_of_row + tile * rows + tl.arange(0, rows))
    inside = slot < slots
    column = block * columns + tl.arange(0, columns)
    sums = tl.zeros((rows, columns), tl.float32)
    for begin in range(0, ffn, depth):
        k = begin + tl.arange(0, depth)
        a = tl.load(inner + slot[:, None] * ffn + k[None, :], inside[:, None] & (k[None, :] < ffn), 0.0)
        at = expert * ffn * width + column[None, :] * ffn + k[:, None]
        sums += product(a, tl.load(down + at, (column[None, :] < width) & (k[:, None] < ffn), 0.0), widened)
    weight = tl.load(weights + slot, inside, 0.0)
    y = rounded(sums) * weight[:, None]
    tl.atomic_add(out + (slot // top_k)[:, None] * width + column[None, :], y, inside[:, None] & (column[None, :] < width))


def tiles_of(ids):
    """(slot of every row of every tile, expert of every tile): rows that fill a tile up have a slot that does not exist."""
    flat = ids.flatten()
    slots, experts = [], []
    for e in sorted(set(flat.tolist())):
        mine = (flat == e).nonzero().flatten().tolist()
        for begin in range(0, len(mine), ROWS):
            part = mine[begin:begin + ROWS]
            slots += part + [flat.numel()] * (ROWS - len(part))
            experts.append(e)
    as_ints = lambda values: torch.tensor(values, dtype=torch.int32, device=device)
    return as_ints(slots), as_ints(experts)


def stacked(case, name, experts):
    """[experts, ...] of the matrices that the dump has; those that no token chooses are never read."""
    used = [int(n.split(".")[1]) for n in case.names("input") if n.startswith(name + ".")]
    first = case.torch(f"{name}.{used[0]}", device)
    whole = torch.zeros((experts, *first.shape), dtype=first.dtype, device=device)
    for e in used:
        whole[e] = case.torch(f"{name}.{e}", device)
    return whole


case = Case(sys.argv[1])
if case.op != "moe_experts" or "bf16_hf" not in case.name or "fp8" in case.name:
    sys.exit(f"a case moe_experts/..._bf16_hf_... without FP8 is wanted, {sys.argv[1]} is {case.name}")
x, ids, weights = case.torch("x", device), case.torch("ids", device), case.torch("weights", device).float()
experts = int(ids.max()) + 1
gate, up, down = (stacked(case, name, experts) for name in ("gate", "up", "down"))
slot_of_row, expert_of_tile = tiles_of(ids)
slots, (tokens, width), ffn = ids.numel(), x.shape, gate.shape[1]
inner = torch.empty((slots, ffn), dtype=x.dtype, device=device)


def call():
    shape = (slots, ids.shape[1], width, ffn)
    gate_up_kernel[(len(expert_of_tile), triton.cdiv(ffn, COLUMNS))](x, gate, up, inner, slot_of_row, expert_of_tile, *shape,
                                                                     ROWS, COLUMNS, DEPTH, interpreted)
    sums = torch.zeros((tokens, width), dtype=torch.float32, device=device)
    down_kernel[(len(expert_of_tile), triton.cdiv(width, COLUMNS))](inner, down, weights, sums, slot_of_row, expert_of_tile,
                                                                    *shape, ROWS, COLUMNS, DEPTH, interpreted)
    return sums.to(x.dtype)


error = case.judge({"out": call().float().cpu().numpy()})
seconds = rounds_of_events(call) if error <= 1 and not interpreted else []
report = row(case, "triton", seconds, error, "warm") if seconds or error > 1 else \
    {"name": f"{case.name}/backend:triton/l2:warm", "case": case.name, "op": case.op, "backend": "triton", "l2": "warm",
     "status": "left out", "why": "checked by Triton's interpreter", "max_err": error, "samples_ns": []}
print(json.dumps(result([report], 1, {"peer": "triton " + triton.__version__})))
