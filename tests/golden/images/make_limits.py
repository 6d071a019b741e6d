"""The library's pixel_values with other limits than the configuration's, as --min-pixels and --max-pixels set them.

    python make_limits.py

Writes limits.json: for each picture, pair of limits and image backend the grid and the hash of the pixels. null = the
configuration's own limit. Needs ../requirements.txt.
"""

import hashlib
import json
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from oracle import settings  # noqa: E402

settings.pin_cpu()

import transformers  # noqa: E402
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil  # noqa: E402

CONFIG = HERE.parents[2] / "data" / "tiny" / "glm45v"
PICTURES = ("rgb.png", "wide.jpg", "stripes.png", "very_tall.png", "one_pixel.png", "exif_6.jpg")
# Volumes: height x width x 2. The last pairs leave a single size, are below one merged patch, and hardly limit at all.
LIMITS = ((None, 20000), (150000, None), (3136, 12000), (40000, 40000), (1, 1568), (1, None))


def answer(processor, backend, picture, least, most):
    size = {"shortest_edge": least or processor.size["shortest_edge"], "longest_edge": most or processor.size["longest_edge"]}
    out = processor(images=str(HERE / picture), size=size, return_tensors="pt")
    digest = hashlib.sha256(out["pixel_values"].numpy().tobytes()).hexdigest()
    return {"file": picture, "backend": backend, "min_pixels": least, "max_pixels": most,
            "grid": out["image_grid_thw"][0].tolist(), "pixel_values_sha256": digest}


def main():
    settings.pin_torch()
    kinds = {"torchvision": transformers.Glm4vImageProcessor, "pillow": Glm4vImageProcessorPil}
    rows = [answer(kind.from_pretrained(CONFIG), backend, picture, least, most)
            for backend, kind in kinds.items() for picture in PICTURES for least, most in LIMITS]
    out = {"config": "data/tiny/glm45v/preprocessor_config.json", "versions": {"transformers": transformers.__version__}, "rows": rows}
    (HERE / "limits.json").write_text(json.dumps(out, indent=1) + "\n")
    print(len(rows), "rows")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
