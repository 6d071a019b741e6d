#!/usr/bin/env python3
"""Makes the tiny GLM-4.5V twin from a seed: tokenizer, phase V, phase L, snapshot, held-out prompts, scores.

    python3 data/tiny/make_twin.py --out data/tiny/glm45v

--smoke runs every stage for a few steps. --resume goes on from the checkpoints in --work.
"""
import argparse
import os
import shutil
import sys

import torch.multiprocessing
from tokenizers import Tokenizer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from twin import heldout, model, phase_language, phase_vision, snapshot, tokenizer  # noqa: E402
from twin.batches import Batcher  # noqa: E402
from twin.cell_heads import CellHeads  # noqa: E402
from twin.training import Ranks  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder of the snapshot")
    parser.add_argument("--work", help="folder of checkpoints and the log (default: OUT.work)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vision-steps", type=int, default=600)
    parser.add_argument("--language-steps", type=int, default=4400)
    parser.add_argument("--prompts", type=int, default=40, help="held-out prompts per kind")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="a few steps of everything")
    options = parser.parse_args()
    options.work = options.work or options.out.rstrip("/") + ".work"
    if options.smoke:
        options.vision_steps, options.language_steps, options.prompts = 20, 20, 2
    return options


def shared_tokenizer(ranks):
    """The tokenizer; the first process trains it if the work folder has none yet."""
    path = os.path.join(ranks.work, "tokenizer.json")
    if ranks.first and not os.path.exists(path):
        tokenizer.build().save(path)
    ranks.wait()
    return Tokenizer.from_file(path)


def make(rank, options):
    """The whole run, as one of the processes."""
    ranks = Ranks(rank, options.processes, options.work)
    words = shared_tokenizer(ranks)
    twin, heads = model.build(words, options.seed), CellHeads(options.seed)
    model.speed_up_vision(twin.model.visual)
    phase_vision.run(ranks, twin, heads, options.seed, options.vision_steps)
    phase_language.run(ranks, twin, heads, Batcher(words), options.seed, options.language_steps)
    if ranks.first:
        snapshot.write(twin, words, options.out)
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
