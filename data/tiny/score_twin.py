#!/usr/bin/env python3
"""Scores a snapshot on the held-out prompts and writes its SCORES.json and heldout/ anew.

    python3 data/tiny/score_twin.py data/tiny/glm45v
"""
import argparse
import os
import sys
import tempfile

import torch.multiprocessing

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from twin import heldout  # noqa: E402
from twin.training import Ranks  # noqa: E402


def score(rank, options, work):
    heldout.write(Ranks(rank, options.processes, work), options.snapshot, options.prompts, options.seed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("snapshot")
    parser.add_argument("--prompts", type=int, default=40, help="per kind")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="the training seed to record")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        torch.multiprocessing.spawn(score, (options, work), nprocs=options.processes)


if __name__ == "__main__":
    main()
