"""Traces of the trained twin by the Hugging Face model, for `glmv tour`: one held-out picture, f32 and bf16.

    python trace_twin.py --glmv ../../build/release/glmv

`glmv preprocess` makes the inputs (they are bit-equal to the library's, see the tests); the library runs them.
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

TWIN = Path(__file__).resolve().parents[2] / "data" / "tiny" / "glm45v"
PICTURE, QUESTION, STEPS = "objects-003-0.png", "List the objects.", 2


def inputs_of(glmv):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "inputs.safetensors"
        subprocess.run([glmv, "preprocess", "--model", TWIN, "--image", TWIN / "heldout" / PICTURE, "--prompt", QUESTION,
                        "--no-think", "-o", file], check=True)
        wanted = ("input_ids", "mm_token_type_ids", "pixel_values", "image_grid_thw")
        return {name: tensor for name, tensor in load_file(file).items() if name in wanted}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glmv", required=True)
    args = parser.parse_args()
    config, inputs = json.loads((TWIN / "config.json").read_text()), inputs_of(args.glmv)
    case = catalogue.Case("one_image", (), steps=STEPS)
    (TWIN / "traces").mkdir(exist_ok=True)
    for dtype, mode in runs.GOLDEN.items():
        points = runs.run_case(runs.load(TWIN, config, mode), case, inputs)
        extra = {}
        if dtype == "bf16":
            measured = floors.measure([runs.load(TWIN, config, other) for other in runs.others(config)], case, inputs, points)
            points, extra = points | (measured or {}), {"floor": runs.FLOOR} if measured else {}
        header = runs.metadata(mode, model_sha256=tensorfile.model_sha256(TWIN), case=case.name, chunks="[]", steps=STEPS,
                               **extra)
        suffix = ".bf16.safetensors" if dtype == "bf16" else ".safetensors"
        tensorfile.write(TWIN / "traces" / (case.name + suffix), points, header)


if __name__ == "__main__":
    main()
