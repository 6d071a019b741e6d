#!/usr/bin/env python3
"""Makes the small pictures of this folder, and images.json: what the Hugging Face processor makes of each.

    python3 make_images.py            pictures and images.json
    python3 make_images.py --answers  images.json only, from the pictures as they are

Needs the versions of ../requirements.txt and torchcodec 0.17.0, the library's first choice of decoder. Where
torchvision's own decoder (the second choice) sees other bytes, images.json says so in "torchvision_rgb_sha256".
GIF, BMP and 16-bit PNG have no agreed answer in the library; "decoder" names whose bytes stand there instead.
"""
import argparse
import hashlib
import io
import json
import pathlib
import struct
import warnings
import zlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent
CONFIG = HERE.parents[2] / "data" / "tiny" / "glm45v"
JPEG_420 = dict(quality=85, subsampling=2)


def scene(width, height, seed):
    """Smooth colours, a few hard edges and some noise: what a decoder and a resampler can each get wrong."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1), 127 + 120 * np.sin(x / 5 + y / 7)], -1)
    for _ in range(4):
        left, top = rng.integers(0, width), rng.integers(0, height)
        base[top : top + height // 3 + 1, left : left + width // 3 + 1] = rng.integers(0, 256, 3)
    return np.clip(base + rng.normal(0, 6, base.shape), 0, 255).astype(np.uint8)


def encoded(picture, fmt, **options):
    buffer = io.BytesIO()
    picture.save(buffer, fmt, **options)
    return buffer.getvalue()


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def with_app1(jpeg, data):
    """One more APP1 segment before all others."""
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data + jpeg[2:]


# ------------------------------------------------------------------------------------------------- PNG by hand


def png(chunks):
    frame = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(frame(kind, data) for kind, data in chunks)


def png_chunks(data):
    at, chunks = 8, []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def png_header(width, height, bits, colour, interlaced=0):
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)


def png_rows(pixels):
    return b"".join(b"\0" + row.tobytes() for row in pixels)


def rgb16_png(pixels):
    """Pillow can't write 16-bit colour."""
    height, width, _ = pixels.shape
    return png([png_header(width, height, 16, 2), (b"IDAT", zlib.compress(png_rows(pixels.astype(">u2")))), (b"IEND", b"")])


def small_grey_png(grey, bits, transparent):
    """Samples of 1, 2 or 4 bits with a tRNS value that Pillow does not scale as it scales the pixels."""
    height, width = grey.shape
    samples = grey >> (8 - bits)
    ones = np.unpackbits(samples[..., None], axis=2)[..., 8 - bits :].reshape(height, width * bits)
    rows = np.packbits(ones, axis=1)
    return png([png_header(width, height, bits, 0), (b"tRNS", struct.pack(">H", transparent)),
                (b"IDAT", zlib.compress(png_rows(rows))), (b"IEND", b"")])


def interlaced_png(pixels):
    """Pillow can't write Adam7."""
    height, width, _ = pixels.shape
    starts = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    passes = [pixels[top::down, left::right] for top, left, down, right in starts]
    data = b"".join(png_rows(p) for p in passes if p.size)
    return png([png_header(width, height, 8, 2, 1), (b"IDAT", zlib.compress(data)), (b"IEND", b"")])


# ---------------------------------------------------------------------------------------------------- pictures


def jpegs():
    rgb = Image.fromarray(scene(61, 47, 1))
    yield "baseline_444.jpg", encoded(rgb, "JPEG", quality=90, subsampling=0)
    yield "baseline_422.jpg", encoded(rgb, "JPEG", quality=80, subsampling=1)
    yield "baseline_420.jpg", encoded(rgb, "JPEG", **JPEG_420)
    yield "progressive_420.jpg", encoded(rgb, "JPEG", progressive=True, **JPEG_420)
    yield "progressive_444.jpg", encoded(rgb, "JPEG", progressive=True, quality=60, subsampling=0)
    yield "restart.jpg", encoded(rgb, "JPEG", restart_marker_blocks=2, **JPEG_420)
    yield "rgb_colour_space.jpg", encoded(rgb, "JPEG", quality=85, keep_rgb=True)
    yield "grey.jpg", encoded(rgb.convert("L"), "JPEG", quality=85)
    inks = Image.fromarray(np.dstack([scene(61, 47, 1), scene(61, 47, 17)[..., 0]]), "CMYK")  # with real black
    yield "cmyk.jpg", encoded(inks, "JPEG", quality=90)
    yield "wide.jpg", encoded(Image.fromarray(scene(640, 200, 2)), "JPEG", quality=60)
    yield "one_pixel.jpg", encoded(Image.fromarray(scene(1, 1, 3)), "JPEG", quality=90)
    small = Image.fromarray(scene(40, 28, 4))
    for orientation in range(1, 9):
        yield f"exif_{orientation}.jpg", encoded(small, "JPEG", exif=exif(orientation), **JPEG_420)
    plain, oriented = encoded(small, "JPEG", **JPEG_420), encoded(small, "JPEG", exif=exif(6), **JPEG_420)
    yield "exif_behind_xmp.jpg", with_app1(oriented, b"http://ns.adobe.com/xap/1.0/\0<x/>")
    yield "exif_lying_offset.jpg", with_app1(plain, b"Exif\0\0II*\0\xff\xff\xff\x7f")


def pngs():
    pixels = scene(50, 37, 5)
    rgb = Image.fromarray(pixels)
    alpha = np.random.default_rng(6).integers(0, 256, pixels.shape[:2], dtype=np.uint8)
    yield "rgb.png", encoded(rgb, "PNG")
    yield "interlaced.png", interlaced_png(pixels)
    yield "grey.png", encoded(rgb.convert("L"), "PNG")
    yield "grey_1bit.png", encoded(rgb.convert("1"), "PNG")
    yield "grey_trns.png", encoded(rgb.convert("L"), "PNG", transparency=100)
    yield "grey_alpha.png", encoded(Image.merge("LA", (rgb.convert("L"), Image.fromarray(alpha))), "PNG")
    yield "rgba.png", encoded(Image.fromarray(np.dstack([pixels, alpha])), "PNG")
    yield "rgb_trns.png", encoded(rgb, "PNG", transparency=tuple(int(v) for v in pixels[5, 5]))
    yield "palette.png", encoded(rgb.quantize(60), "PNG")
    yield "palette_4bit.png", encoded(rgb.quantize(13), "PNG")
    yield "palette_trns.png", encoded(rgb.quantize(60), "PNG", transparency=3)
    yield "palette_alpha.png", encoded(rgb.quantize(60), "PNG", transparency=bytes(range(0, 240, 4)))
    for bits in (1, 2, 4):
        for value in range(2):
            yield f"grey_{bits}bit_trns{value}.png", small_grey_png(pixels[..., 0], bits, value)
    wide_grey = np.random.default_rng(21).integers(0, 300, (9, 11)).astype(">u2")
    yield "grey_16bit_trns.png", png([png_header(11, 9, 16, 0), (b"tRNS", b"\1\0"), (b"IDAT", zlib.compress(png_rows(wide_grey))),
                                      (b"IEND", b"")])
    wide_rgb = np.random.default_rng(22).integers(0, 4, (9, 11, 3)).astype(">u2") * 256 + 2
    yield "rgb_16bit_trns.png", png([png_header(11, 9, 16, 2), (b"tRNS", b"\0\1\0\1\0\1"),
                                     (b"IDAT", zlib.compress(png_rows(wide_rgb))), (b"IEND", b"")])
    yield "exif_8.png", encoded(rgb, "PNG", exif=exif(8))
    chunks = png_chunks(encoded(rgb, "PNG", exif=exif(8)))
    chunks.sort(key=lambda chunk: {b"IHDR": 0, b"IDAT": 1, b"eXIf": 2, b"IEND": 3}[chunk[0]])
    yield "exif_behind_pixels.png", png(chunks)
    wide = np.random.default_rng(7).integers(0, 65536, (9, 11, 3), dtype=np.uint16)
    yield "grey_16bit.png", encoded(Image.fromarray(wide[..., 0]), "PNG")
    yield "rgb_16bit.png", rgb16_png(wide)
    yield "one_pixel.png", encoded(Image.fromarray(scene(1, 1, 8)), "PNG")
    yield "very_flat.png", encoded(Image.fromarray(scene(600, 3, 9)), "PNG")
    yield "very_tall.png", encoded(Image.fromarray(scene(28, 900, 10)).quantize(16), "PNG")
    yield "untouched.png", encoded(Image.fromarray(scene(84, 112, 11)), "PNG")
    yield "stripes.png", encoded(Image.fromarray(np.tile(np.uint8([[[0] * 3, [255] * 3]]), (300, 150, 1))), "PNG")


def others():
    pixels = scene(45, 33, 12)
    rgb = Image.fromarray(pixels)
    rgba = Image.fromarray(np.dstack([pixels, scene(45, 33, 13)[..., 0]]))
    yield "lossy.webp", encoded(rgb, "WEBP", quality=80)
    yield "lossless.webp", encoded(rgb, "WEBP", lossless=True)
    yield "rgba.webp", encoded(rgba, "WEBP", lossless=True, exact=True)
    frames = [Image.fromarray(scene(20, 20, seed)) for seed in (15, 16)]
    yield "animated.webp", encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    yield "exif_6.webp", encoded(rgb, "WEBP", lossless=True, exif=exif(6))
    yield "colours.gif", encoded(rgb.quantize(100), "GIF")
    second = Image.fromarray(scene(45, 33, 14)).quantize(100)
    yield "animated.gif", encoded(rgb.quantize(100), "GIF", save_all=True, append_images=[second])
    yield "rgb.bmp", encoded(rgb, "BMP")
    yield "palette.bmp", encoded(rgb.quantize(200), "BMP")
    yield "grey_1bit.bmp", encoded(rgb.convert("1"), "BMP")


def gif(screen, first, interlaced=0, transparent=None, local=True, background=0):
    """A GIF by hand: `first` is (left, top, indices); the codes are all cleared, so nothing is compressed."""
    left, top, indices = first
    height, width = indices.shape
    bits, out, have, acc = 3, bytearray(), 0, 0
    order = [y for start, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for y in range(start, height, step)] if interlaced else range(height)
    codes = [c for y in order for v in indices[y] for c in (1 << bits, int(v))] + [(1 << bits) + 1]
    for code in codes:
        acc |= code << have
        have += bits + 1
        while have >= 8:
            out.append(acc & 255)
            acc, have = acc >> 8, have - 8
    out.append(acc & 255)
    blocks = b"".join(bytes([len(out[i : i + 255])]) + bytes(out[i : i + 255]) for i in range(0, len(out), 255)) + b"\0"
    palette = bytes((37 * i + 11 * c) % 256 for i in range(4) for c in range(3))  # of 8 indices
    control = b"" if transparent is None else b"!\xf9\x04\x01\0\0" + bytes([transparent]) + b"\0"
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0 if local else 0x81, background, 0) + (b"" if local else palette)
    frame = b"," + struct.pack("<HHHHB", left, top, width, height, (0x81 if local else 0) | (0x40 if interlaced else 0))
    return head + control + frame + (palette if local else b"") + bytes([bits]) + blocks + b";"


def gifs():
    indices = np.random.default_rng(23).integers(0, 8, (13, 17))
    yield "interlaced.gif", gif((17, 13), (0, 0, indices), interlaced=1)
    yield "transparent.gif", gif((17, 13), (0, 0, indices), transparent=2)
    yield "smaller_than_screen.gif", gif((30, 20), (4, 5, indices), local=False)
    yield "hole.gif", gif((30, 20), (4, 5, indices), transparent=1)
    yield "background.gif", gif((30, 20), (4, 5, indices % 4), transparent=2, local=False, background=3)
    yield "beyond_screen.gif", gif((10, 9), (4, 5, indices))
    noisy = Image.fromarray(scene(300, 200, 24)).quantize(256)
    yield "full_table.gif", encoded(noisy.crop((0, 0, 100, 90)), "GIF")


def flipped(data, offset):
    return data[:offset] + bytes([data[offset] ^ 0x10]) + data[offset + 1 :]


def repeated_first_scan(times):
    """A few kilobytes that keep a decoder busy: every scan walks the whole picture again."""
    data = encoded(Image.fromarray(scene(8, 8, 18)).convert("L"), "JPEG", progressive=True, quality=50)
    start = data.index(b"\xff\xda")
    end = data.index(b"\xff\xc4", start)
    return data[:start] + data[start:end] * times + data[end:]


def corrupt():
    """(name, bytes, a word that the refusal must contain)"""
    jpeg = encoded(Image.fromarray(scene(61, 47, 1)), "JPEG", **JPEG_420)
    good = encoded(Image.fromarray(scene(50, 37, 5)), "PNG")
    header, *rest = png_chunks(good)
    webp = encoded(Image.fromarray(scene(45, 33, 12)), "WEBP", quality=80)
    small_gif = encoded(Image.fromarray(scene(45, 33, 12)).quantize(100), "GIF")
    bmp = encoded(Image.fromarray(scene(45, 33, 12)), "BMP")
    yield "no_bytes.png", b"", "empty"
    yield "text.jpg", b"this is not a picture\n", "not a PNG"
    yield "cut_in_data.jpg", jpeg[: len(jpeg) * 2 // 3], "Premature end"
    yield "cut_in_header.jpg", jpeg[:150], "Premature end"
    yield "cut_two_bytes.jpg", jpeg[:-2], "Premature end"
    yield "ends_early.jpg", jpeg[: len(jpeg) // 2] + b"\xff\xd9", "premature end"
    yield "many_scans.jpg", repeated_first_scan(600), "scans"
    yield "bomb.jpg", jpeg.replace(struct.pack(">HH", 47, 61), struct.pack(">HH", 65000, 65000), 1), "pixels"
    yield "cut.png", good[: len(good) // 2], "truncated"
    yield "cut_between_chunks.png", good[:-12], "truncated"
    yield "flipped_bit.png", flipped(good, len(good) // 2), "checksum"
    yield "bomb.png", png([png_header(60000, 60000, 8, 2), *rest]), "pixels"
    yield "lying_height.png", png([png_header(50, 3000, 8, 2), *rest]), "not enough pixels"
    yield "no_width.png", png([png_header(0, 37, 8, 2), *rest]), "0x37 pixels"
    yield "lying_chunk.png", good[:33] + b"\x7f\xff\xff\xff" + good[37:], "truncated"
    yield "cut.webp", webp[: len(webp) // 2], "truncated"
    yield "cut.gif", small_gif[: len(small_gif) // 2], "truncated"
    yield "cut.bmp", bmp[: len(bmp) // 2], "truncated"
    yield "lying_height.bmp", bmp[:22] + struct.pack("<i", 30000) + bmp[26:], "truncated"


def write_pictures():
    for old in [*HERE.glob("*.*"), *HERE.glob("corrupt/*")]:
        if old.suffix not in (".py", ".json"):
            old.unlink()
    (HERE / "corrupt").mkdir(exist_ok=True)
    for maker in (jpegs, pngs, others, gifs):
        for name, data in maker():
            (HERE / name).write_bytes(data)
    for name, data, _ in corrupt():
        (HERE / "corrupt" / name).write_bytes(data)


# ----------------------------------------------------------------------------------------------------- answers


def library_rgb(path):
    from transformers.image_utils import load_image_as_tensor

    return load_image_as_tensor(str(path)).permute(1, 2, 0).contiguous().numpy()


def torchvision_rgb(path):
    from torchvision.io import ImageReadMode, decode_image

    pixels = decode_image(str(path), mode=ImageReadMode.RGB, apply_exif_orientation=True)
    return pixels.permute(1, 2, 0).contiguous().numpy()


def decoded(path):
    """(pixels, whose they are): Pillow's of what the library refuses, takes for two pictures or spoils."""
    if path.suffix == ".bmp" or path.name in ("animated.gif", "beyond_screen.gif"):
        return np.asarray(Image.open(path).convert("RGB")), "Pillow"
    return library_rgb(path), "library"


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def pillow_answer(path, processor):
    """What the library's Pillow backend makes of the file."""
    from transformers.image_transforms import convert_to_rgb
    from transformers.image_utils import load_image

    rgb = convert_to_rgb(load_image(str(path)), return_numpy=True)
    out = processor(images=str(path), return_tensors="pt")
    return {"width": rgb.shape[1], "height": rgb.shape[0], "rgb_sha256": sha256(rgb),
            "grid": out["image_grid_thw"][0].tolist(), "pixel_values_sha256": sha256(out["pixel_values"].numpy())}


def answer(path, processor, pillow_processor):
    row = {"file": path.name}
    if path.name != "animated.webp":  # which the library's other decoders refuse
        row |= library_answer(path, processor)
    return row | {"pillow": pillow_answer(path, pillow_processor)}


def library_answer(path, processor):
    rgb, decoder = decoded(path)
    row = {"decoder": decoder, "width": rgb.shape[1], "height": rgb.shape[0], "rgb_sha256": sha256(rgb)}
    if decoder == "library":
        other = sha256(torchvision_rgb(path))
        if other != row["rgb_sha256"]:
            row["torchvision_rgb_sha256"] = other
    out = processor(images=str(path) if decoder == "library" else rgb, return_tensors="pt")
    grid = out["image_grid_thw"][0].tolist()
    row["resized"] = [grid[1] * processor.patch_size, grid[2] * processor.patch_size]
    row["grid"] = grid
    row["pixel_values_sha256"] = sha256(out["pixel_values"].numpy())
    return row


def write_answers():
    import torch
    import torchcodec
    import torchvision
    import transformers

    torch.set_num_threads(1)
    from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil

    processor = transformers.Glm4vImageProcessor.from_pretrained(CONFIG)
    pillow_processor = Glm4vImageProcessorPil.from_pretrained(CONFIG)
    pictures = sorted(p for p in HERE.iterdir() if p.suffix in (".jpg", ".png", ".webp", ".gif", ".bmp"))
    modules = (transformers, torch, torchvision, torchcodec)
    answers = {
        "config": "data/tiny/glm45v/preprocessor_config.json",
        "versions": {m.__name__: m.__version__ for m in modules} | {"pillow": Image.__version__},
        "pictures": [answer(p, processor, pillow_processor) for p in pictures],
        "refused": [{"file": f"corrupt/{name}", "reason": reason} for name, _, reason in corrupt()],
    }
    (HERE / "images.json").write_text(json.dumps(answers, indent=1) + "\n")
    print(len(answers["pictures"]), "pictures,", len(answers["refused"]), "refusals")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", action="store_true", help="keep the pictures, write images.json only")
    if not parser.parse_args().answers:
        write_pictures()
    write_answers()
