#!/usr/bin/env python3
"""Makes a tiny twin from a seed: tokenizer, phase V, phase L, snapshot, held-out prompts, scores.

    python3 data/tiny/make_twin.py --out data/tiny/glm45v
    python3 data/tiny/make_twin.py --family glm41v --out data/tiny/glm41v

The dense twin takes its tower and first weights from the other one (--start) and has no phase V of its own.
--smoke runs every stage for a few steps. --resume goes on from the checkpoints in --work.
"""
import argparse
import os
import shutil
import sys

import torch.multiprocessing
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from twin import dense_start, heldout, model, phase_language, phase_vision, snapshot, tokenizer  # noqa: E402
from twin.batches import Batcher  # noqa: E402
from twin.cell_heads import CellHeads  # noqa: E402
from twin.family import DENSE, FAMILIES  # noqa: E402
from twin.training import Ranks  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=FAMILIES, default="glm45v")
    parser.add_argument("--start", default=os.path.join(HERE, "glm45v"), help="the snapshot a dense twin starts from")
    parser.add_argument("--out", required=True, help="folder of the snapshot")
    parser.add_argument("--work", help="folder of checkpoints and the log (default: OUT.work)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vision-steps", type=int, default=600)
    parser.add_argument("--language-steps", type=int, help="default: 4400, of the dense twin 350")
    parser.add_argument("--prompts", type=int, default=40, help="held-out prompts per kind")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="a few steps of everything")
    options = parser.parse_args()
    options.language_steps = options.language_steps or (350 if options.family == DENSE.name else 4400)
    options.work = options.work or options.out.rstrip("/") + ".work"
    if options.smoke:
        options.vision_steps, options.language_steps, options.prompts = 20, 20, 2
    return options


def shared_tokenizer(ranks, family):
    """The tokenizer; the first process trains it if the work folder has none yet."""
    path = os.path.join(ranks.work, "tokenizer.json")
    if ranks.first and not os.path.exists(path):
        tokenizer.build(family).save(path)
    ranks.wait()
    return Tokenizer.from_file(path)


def make(rank, options):
    """The whole run, as one of the processes."""
    ranks = Ranks(rank, options.processes, options.work)
    family = FAMILIES[options.family]
    words = shared_tokenizer(ranks, family)
    twin, heads, batcher = model.build(words, family, options.seed), None, Batcher(words, family)
    model.speed_up_vision(twin.model.visual)
    if family is DENSE:
        dense_start.begin(twin, options.start, batcher, options.seed)
    else:
        heads = CellHeads(options.seed)
        phase_vision.run(ranks, twin, heads, options.seed, options.vision_steps)
    phase_language.run(ranks, twin, heads, batcher, options.seed, options.language_steps)
    if ranks.first:
        snapshot.write(twin, words, family, options.out)
    ranks.wait()
    heldout.write(ranks, options.out, options.prompts, options.seed)


def main():
    options = parse_arguments()
    if not options.resume:
        shutil.rmtree(options.work, ignore_errors=True)
    os.makedirs(options.work, exist_ok=True)
    torch.multiprocessing.spawn(make, (options,), nprocs=options.processes)


if __name__ == "__main__":
    main()
