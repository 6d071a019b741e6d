"""Pictures in formats that glmv does not read, made by Pillow, and which decoders of the library read them.

    python make_unread.py

Writes unread/: the files, and unread.json with the format's name and who reads it: the decoders of the torchvision
backend (torchcodec, and torchvision where that is missing) and the Pillow backend. Needs ../requirements.txt, torchcodec.
"""

import json
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from oracle import settings  # noqa: E402

settings.pin_cpu()

import numpy as np  # noqa: E402
import PIL  # noqa: E402
import torchcodec.decoders  # noqa: E402
import torchvision.io  # noqa: E402
import transformers  # noqa: E402
from PIL import Image  # noqa: E402
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil  # noqa: E402

CONFIG = HERE.parents[2] / "data" / "tiny" / "glm45v"
FILES = {
    "raw.tif": ("TIFF", {}),
    "lzw.tif": ("TIFF", {"compression": "tiff_lzw"}),
    "jpeg.tif": ("TIFF", {"compression": "jpeg"}),
    "big_endian.tif": ("TIFF", None),
    "a.avif": ("AVIF", {}),
    "a.jp2": ("JPEG 2000", {}),
    "a.ppm": ("PNM", {}),
    "a.ico": ("ICO", {}),
    "a.dds": ("DDS", {}),
    "a.qoi": ("QOI", {}),
}


def picture():
    y, x = np.mgrid[0:12, 0:16]
    return Image.fromarray(np.stack([15 * x, 20 * y, 9 * (x + y)], -1).astype(np.uint8))


def write(path, options):
    image = picture()
    if options is None:  # grey of 16 bits is the one kind that Pillow writes with the high byte first
        image = image.convert("I;16B")
    image.save(path, **(options or {}))


def reads(decode, path):
    try:
        decode(str(path))
        return True
    except Exception:  # whatever it raises, it has no picture
        return False


def main():
    folder = HERE / "unread"
    folder.mkdir(exist_ok=True)
    pillow = Glm4vImageProcessorPil.from_pretrained(CONFIG)
    decoders = {"torchvision": torchvision.io.decode_image, "torchcodec": torchcodec.decoders.decode_image,
                "pillow": lambda path: pillow(images=path, return_tensors="pt")}
    rows = []
    for name, (format_name, options) in FILES.items():
        write(folder / name, options)
        readers = [who for who, decode in decoders.items() if reads(decode, folder / name)]
        rows.append({"file": name, "format": format_name, "read_by": readers})
    versions = {m.__name__: m.__version__ for m in (transformers, torchvision, torchcodec, PIL)}
    (folder / "unread.json").write_text(json.dumps({"versions": versions, "files": rows}, indent=1) + "\n")
    print(rows)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
