#!/usr/bin/env python3
"""What the data sheets allow GLM-4.5V's kernels on two AMD GPUs: arithmetic from published peaks, not a measurement.

    hip/roofline.py          prints hip/ROOFLINE.md
    hip/roofline.py --check  fails if that file says something else

Bytes are the least that a kernel must move (operands once), bf16 everywhere; time is the larger of flops / peak and
bytes / bandwidth. The matrix peak follows from the instructions: 16x16x16 bf16 takes 16 cycles on CDNA 3 and 32 on
CDNA 2, on each of the four units of a compute unit; 16x16x32 in FP8 takes 16 on CDNA 3 too.
"""
import pathlib
import sys

HIDDEN, HEADS, KV_HEADS, HEAD, FFN, EXPERTS, TOP, DENSE, VOCABULARY = 4096, 96, 8, 128, 1408, 128, 8, 10944, 151552
WIDEN = 28  # vector instructions for eight codes of E4M3, counted in the machine code
TABLE = pathlib.Path(__file__).with_name("ROOFLINE.md")


class Gpu:
    def __init__(self, name, units, clock, cycles, bandwidth):
        self.name, self.units, self.clock, self.bandwidth = name, units, clock, bandwidth
        self.flop_per_cycle = 4 * 2 * 16**3 // cycles  # of a compute unit
        self.peak = units * clock * self.flop_per_cycle


GPUS = [Gpu("MI300X", 304, 2.1e9, 16, 5.3e12), Gpu("MI250, one of its two dies", 104, 1.7e9, 32, 1.6e12)]


def linear(tokens, n, k):
    return 2 * tokens * n * k, 2 * (n * k + tokens * (k + n))


def distinct(tokens):
    """Experts that uniform routing touches."""
    return EXPERTS * (1 - (1 - TOP / EXPERTS) ** tokens)


def experts(tokens, n, k, weight_bytes=2, input_bytes=2):
    moved = weight_bytes * distinct(tokens) * n * k + TOP * tokens * (input_bytes * k + 2 * n)
    return 2 * TOP * tokens * n * k, moved


def prefill(tokens):
    """Causal attention of a prompt."""
    return 4 * HEADS * HEAD * tokens * (tokens + 1) / 2, 2 * tokens * HEAD * (2 * HEADS + 2 * KV_HEADS)


def decode(context):
    return 4 * HEADS * HEAD * context, 2 * HEAD * (2 * KV_HEADS * context + 2 * HEADS)


def kernels():
    for tokens in (1, 64, 1024, 8192):
        yield f"qkv, T={tokens}", linear(tokens, (HEADS + 2 * KV_HEADS) * HEAD, HIDDEN)
        yield f"o_proj, T={tokens}", linear(tokens, HIDDEN, HEADS * HEAD)
        yield f"gate/up of the experts, T={tokens}", experts(tokens, 2 * FFN, HIDDEN)
        yield f"down of the experts, T={tokens}", experts(tokens, HIDDEN, FFN)
        yield f"router, T={tokens}", linear(tokens, EXPERTS, HIDDEN)
    yield "lm_head, T=1", linear(1, VOCABULARY, HIDDEN)
    for tokens in (1024, 8192):
        yield f"attention, prompt of {tokens}", prefill(tokens)
    for context in (1024, 32768):
        yield f"attention, one token after {context}", decode(context)


def fp8_experts():
    """(name, microseconds with codes widened to bf16, with FP8 activations and instructions) on the first GPU."""
    for tokens in (1, 64, 1024, 2048, 4096, 8192):
        for name, n, k in (("gate/up", 2 * FFN, HIDDEN), ("down", HIDDEN, FFN)):
            times = []
            for input_bytes, peak in ((2, GPUS[0].peak), (1, 2 * GPUS[0].peak)):
                flops, moved = experts(tokens, n, k, 1, input_bytes)
                times.append(max(flops / peak, moved / GPUS[0].bandwidth) * 1e6)
            yield f"{name}, T={tokens}", *times


def turns():
    """Cycles of a compute unit per step of 64 columns of the largest dense tile on the first GPU: products and reads of
    shared memory one after the other, and by two groups that take turns (then only the stores have no products)."""
    _, _, matrix, read, _ = next(tiles())
    store = 2 * 64 * (256 + 256) / 128
    return matrix + read + store, matrix + store, matrix


def widening_cycles():
    """Of one of a compute unit's four units, per step of 64 columns of the tile of 128 rows and 128 weight rows: a
    vector instruction of a wave of 64 takes four cycles."""
    return 128 * 64 / 4 / 64 / 8 * WIDEN * 4


def tiles():
    """Of the dense kernel: per step of 64 columns, cycles of the matrix units and of the reads of shared memory (128
    bytes per cycle), with the wave tiles of hip/linear_dense.hip."""
    for tokens, features, down, across in ((256, 256, 2, 4), (128, 128, 2, 2), (64, 64, 2, 2)):
        read = 2 * 64 * (tokens * across + features * down)  # every wave reads its rows of both operands
        for gpu in GPUS:
            matrix = 2 * tokens * features * 64 / gpu.flop_per_cycle
            yield f"{tokens}x{features}", gpu.name, matrix, read / 128, 2 * tokens * features / (2 * (tokens + features))


def text():
    lines = ["# Roofline of the HIP kernels", "",
             "**Arithmetic from data sheets, written by `hip/roofline.py`; nothing here was measured.** Time: the larger of",
             "flops / peak and bytes / bandwidth, in bf16; operands are counted once.", ""]
    for gpu in GPUS:
        lines.append(f"- {gpu.name}: {gpu.units} compute units at {gpu.clock / 1e9:.1f} GHz, {gpu.flop_per_cycle} flop per "
                     f"cycle each: {gpu.peak / 1e12:.0f} TFLOP/s; {gpu.bandwidth / 1e12:.1f} TB/s; balance "
                     f"{gpu.peak / gpu.bandwidth:.0f} flop per byte")
    lines += ["", "| kernel | GFLOP | MB | flop per byte | " + " | ".join(f"{g.name}, us | bound" for g in GPUS) + " |",
              "|---" * (4 + 2 * len(GPUS)) + "|"]
    for name, (flops, moved) in kernels():
        row = f"| {name} | {flops / 1e9:.4g} | {moved / 1e6:.4g} | {flops / moved:.3g} |"
        for gpu in GPUS:
            compute, memory = flops / gpu.peak, moved / gpu.bandwidth
            row += f" {max(compute, memory) * 1e6:.4g} | {'compute' if compute > memory else 'memory'} |"
        lines.append(row)
    lines += ["", "Tiles of the dense kernel, cycles of a compute unit per step of 64 columns, and flop per byte that the tile",
              "reads from the caches. Where shared memory takes longer than the matrix units, it is the bound.", "",
              "| tile | GPU | matrix units | shared memory | flop per byte |", "|---|---|---|---|---|"]
    lines += [f"| {tile} | {gpu} | {matrix:.0f} | {lds:.0f} | {intensity:.0f} |"
              for tile, gpu, matrix, lds, intensity in tiles()]
    after, by_turns, matrix = turns()
    products = 2 * 128 * 128 * 64 / GPUS[0].flop_per_cycle
    lines += ["", "The 256x256 tile is worked on by two groups of four waves that take turns (`hip/matrix_tile.h`). On MI300X a step",
              f"is {after:.0f} cycles where products wait for their operands and the stores for both, {by_turns:.0f} where one group's reads",
              f"are behind the other's products, {matrix:.0f} if nothing but products took time.", "",
              "## FP8 experts", "",
              "Experts in FP8 are weights only: activations are bf16 by the contract of `moe_experts` and `linear`, and no op has",
              "FP8 activations. The FP8 instructions multiply FP8 with FP8, so they would have to quantise what the contract does",
              "not, and the kernels widen codes to bf16, which is exact. What that costs on MI300X (CDNA 2 has no FP8):", "",
              "| experts | codes widened to bf16, us | activations in FP8 too, us | ratio |", "|---|---|---|---|"]
    lines += [f"| {name} | {wide:.4g} | {native:.4g} | {wide / native:.2f} |" for name, wide, native in fp8_experts()]
    lines += ["", "Reading the experts is the bound of both up to two thousand tokens: there is little to win, and accuracy to lose.",
              "In long prefill products are the bound, and FP8 instructions would take up to half of the time.", "",
              f"Widening eight codes is {WIDEN} vector instructions of a wave in the machine code (`hip/fp8.h`, gfx942, clang 19):",
              f"{widening_cycles():.0f} cycles of a unit per step of the 128x128 tile, beside {products:.0f} of products of another wave."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        if TABLE.read_text() != text():
            sys.exit(f"{TABLE} is not what {sys.argv[0]} prints")
    else:
        sys.stdout.write(text())
