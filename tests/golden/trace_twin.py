"""Traces of a trained twin by the Hugging Face model: a held-out picture in f32 and bf16, of the dense twin a clip as well.

    python trace_twin.py --glmv ../../build/release/glmv [--twin glm41v]

Of the dense twin the shortest right answers are taken whose tokens were chosen by a margin of at least 0.5, twice the one
below which all tokens lay that another attention or dtype changed, and by all modes alike. `glmv preprocess` makes the
inputs (they are bit-equal to the library's, see the tests); the library runs them.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from oracle import settings

settings.pin_cpu()

from safetensors.torch import load_file  # noqa: E402

from oracle import catalogue, floors, runs, tensorfile  # noqa: E402

TINY = Path(__file__).resolve().parents[2] / "data" / "tiny"
STEPS, SAFE_MARGIN = 2, 0.5
INPUTS = ("input_ids", "mm_token_type_ids", "pixel_values", "image_grid_thw", "pixel_values_videos", "video_grid_thw")


def clearest(heldout, is_wanted):
    """The shortest prompt of a kind that is answered right and clearly."""
    clear = [p for p in heldout if p["right"] and p["margin"] >= SAFE_MARGIN and all(p["same_ids"].values())]
    return min(filter(is_wanted, clear), key=lambda p: (p["prompt_tokens"], p["id"]))


def cases(twin):
    """name -> held-out prompt; of the twin with experts always the picture that `glmv tour` shows."""
    heldout = json.loads((twin / "heldout" / "heldout.json").read_text())["prompts"]
    if twin.name == "glm45v":
        return {"one_image": next(p for p in heldout if p["id"] == "objects-003-list")}
    return {"one_image": clearest(heldout, lambda p: p["kind"] in ("list", "extreme") and len(p["media"]) == 1),
            "clip": clearest(heldout, lambda p: p["kind"] == "motion")}


def media_flags(twin, prompt, folder):
    """The flags that name the prompt's pictures; frames of a clip are linked into a folder of their own."""
    if prompt["media"][0]["type"] == "image":
        return [word for medium in prompt["media"] for word in ("--image", twin / "heldout" / medium["path"])]
    for frame in prompt["media"][0]["frames"]:
        (folder / frame).symlink_to(twin / "heldout" / frame)
    return ["--video", folder, "--fps", str(prompt["media"][0]["fps"])]


def inputs_of(glmv, twin, prompt):
    with tempfile.TemporaryDirectory() as temporary:
        frames, file = Path(temporary) / "frames", Path(temporary) / "inputs.safetensors"
        frames.mkdir()
        quiet = [] if prompt["thinking"] else ["--no-think"]
        subprocess.run([glmv, "preprocess", "--model", twin, *media_flags(twin, prompt, frames), "--prompt",
                        prompt["question"], *quiet, "-o", file], check=True)
        return {name: tensor for name, tensor in load_file(file).items() if name in INPUTS}


def write_case(twin, config, name, inputs):
    """The clip in f32 only: its file is the largest."""
    case = catalogue.Case(name, (), steps=STEPS)
    for dtype, mode in runs.GOLDEN.items():
        if name == "clip" and dtype != "f32":
            continue
        points = runs.run_case(runs.load(twin, config, mode), case, inputs)
        extra = {}
        if dtype == "bf16":
            others = [runs.load(twin, config, other) for other in runs.others(config)]
            points, extra = points | floors.measure(others, case, inputs, points), {"floor": runs.FLOOR}
        header = runs.metadata(mode, model_sha256=tensorfile.model_sha256(twin), case=name, chunks="[]", steps=STEPS, **extra)
        suffix = ".bf16.safetensors" if dtype == "bf16" else ".safetensors"
        tensorfile.write(twin / "traces" / (name + suffix), points, header)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glmv", required=True)
    parser.add_argument("--twin", choices=("glm45v", "glm41v"), default="glm45v")
    args = parser.parse_args()
    twin = TINY / args.twin
    config = json.loads((twin / "config.json").read_text())
    (twin / "traces").mkdir(exist_ok=True)
    for name, prompt in cases(twin).items():
        print(name, prompt["id"], prompt["text"], prompt["margin"])
        write_case(twin, config, name, inputs_of(args.glmv, twin, prompt))


if __name__ == "__main__":
    main()
