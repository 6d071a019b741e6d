#!/usr/bin/env python3
"""Does glmv choose the tokens of the Hugging Face model on every held-out prompt, the ones that are not committed too?

    python3 data/tiny/check_tokens.py --glmv build/release/glmv [--snapshot data/tiny/glm41v]

Draws the prompts anew (820 with the default of 40 per kind), answers each with both, f32, greedily, and prints the
prompts whose tokens differ with the library's smallest distance between its first and second choice. Exit code 1 if
any differ. Needs the packages of requirements.txt.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from twin import heldout  # noqa: E402
from twin.score import FRAMES_PER_SECOND, MOST_TOKENS, Scorer  # noqa: E402

HERE = Path(__file__).resolve().parent


def media_flags(prompt, folder):
    """Writes the prompt's frames; the flags that name them."""
    paths = [folder / f"{index:03}.png" for index in range(len(prompt.frames))]
    for path, frame in zip(paths, prompt.frames, strict=True):
        Image.fromarray(frame).save(path)
    if prompt.is_video:
        return ["--video", str(folder), "--fps", str(FRAMES_PER_SECOND)]
    return [word for path in paths for word in ("--image", str(path))]


def ask_glmv(glmv, snapshot, prompt):
    """Token ids of glmv's answer."""
    with tempfile.TemporaryDirectory() as folder:
        command = [glmv, "generate", "--model", str(snapshot), "--prompt", prompt.question.text, "--json",
                   "--max-new-tokens", str(MOST_TOKENS)] + media_flags(prompt, Path(folder)) + ([] if prompt.thinking else ["--no-think"])
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["token_ids"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glmv", required=True, help="the glmv program")
    parser.add_argument("--prompts", type=int, default=40, help="per kind")
    parser.add_argument("--snapshot", default=HERE / "glm45v", help="the twin (default: glm45v)")
    args = parser.parse_args()
    scorer, different, tokens = Scorer(str(args.snapshot), heldout.REFERENCE), 0, 0
    prompts = heldout.draw(args.prompts, heldout.family_of(args.snapshot))
    for prompt in prompts:
        theirs, ours = scorer.answer(prompt), ask_glmv(args.glmv, args.snapshot, prompt)
        tokens += len(theirs.ids)
        if ours != theirs.ids:
            different += 1
            print(f"DIFFERS {prompt.id}: glmv {ours}, the library {theirs.ids}, smallest margin {theirs.margin:.4f}", flush=True)
    print(f"{len(prompts) - different} of {len(prompts)} prompts, {tokens} tokens: the same answers")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
