"""Pictures per second of glmv and of the Hugging Face image processor: file to pixel_values, one thread each, in turns.

    python preprocess_speed.py --tool build/release/tests/preprocess_tool [--rounds 5] [-o result.json]

CPU seconds of each process are counted, so that what else runs on the machine disturbs little. Photograph-like JPEG and
PNG files of four sizes are made anew. Each round gives every file once to both sides, both image backends; medians and the
median of the rounds' ratios are printed (above 1: glmv is faster). The library decodes as it does by itself (torchcodec if
installed, else torchvision; Pillow for the Pillow backend). Needs tests/golden/requirements.txt.
"""

import argparse
import datetime
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "golden"))

from oracle import settings  # noqa: E402

settings.pin_cpu()

import numpy as np  # noqa: E402
import PIL  # noqa: E402
import torch  # noqa: E402
import torchvision  # noqa: E402
import transformers  # noqa: E402
from images.make_images import scene  # noqa: E402
from PIL import Image  # noqa: E402
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil  # noqa: E402

MODEL = ROOT / "data" / "tiny" / "glm45v"
SIZES = ((640, 480), (1280, 720), (1920, 1080), (4000, 3000))
PUBLISHED = {"shortest_edge": 12544, "longest_edge": 9633792}


def make_pictures(folder):
    paths = []
    for width, height in SIZES:
        picture = Image.fromarray(scene(width, height, width))
        for suffix, options in ((".jpg", {"quality": 90}), (".png", {"compress_level": 6})):
            if suffix == ".png" and width > 2000:
                continue
            paths.append(folder / f"{width}x{height}{suffix}")
            picture.save(paths[-1], **options)
    return paths


def write_config(folder):
    config = json.loads((MODEL / "preprocessor_config.json").read_text()) | {"size": PUBLISHED}
    (folder / "preprocessor_config.json").write_text(json.dumps(config))


def ours(tool, folder, backend, paths):
    done = subprocess.run([tool, str(folder), backend, *map(str, paths)], capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def theirs(processor, paths):
    seconds = []
    for path in paths:
        begin = time.process_time()
        processor(images=str(path), return_tensors="pt")
        seconds.append(time.process_time() - begin)
    return seconds


def compare(args, folder, backend, processor, paths):
    theirs(processor, paths[:2])  # imports and first calls
    rounds = [(ours(args.tool, folder, backend, paths), theirs(processor, paths)) for _ in range(args.rounds)]
    rows = []
    for i, path in enumerate(paths):
        mine, hf = [r[0][i] for r in rounds], [r[1][i] for r in rounds]
        rows.append({"file": path.name, "glmv_ms": round(1e3 * statistics.median(mine), 2),
                     "library_ms": round(1e3 * statistics.median(hf), 2),
                     "ratio": round(statistics.median(b / a for a, b in zip(mine, hf)), 2)})
        print(f"  {backend:12} {rows[-1]}", flush=True)
    total = round(statistics.median(sum(hf) / sum(mine) for mine, hf in rounds), 2)
    print(f"  {backend:12} all files: {total}")
    return {"files": rows, "ratio_all_files": total}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    settings.pin_torch()
    torch.set_num_threads(1)
    processors = {"torchvision": transformers.Glm4vImageProcessor, "pillow": Glm4vImageProcessorPil}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_config(folder)
        paths = make_pictures(folder)
        results = {backend: compare(args, folder, backend, kind.from_pretrained(folder), paths)
                   for backend, kind in processors.items()}
    versions = {m.__name__: m.__version__ for m in (transformers, torch, torchvision, PIL, np)}
    result = {"schema": "glmv.preprocess_speed/1", "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
              "cpu": platform.processor() or platform.machine(), "threads": 1, "clock": "CPU time of the process", "rounds": args.rounds, "versions": versions,
              "backends": results}
    if args.output:
        args.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
