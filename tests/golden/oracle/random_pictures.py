"""Random pictures and clips: every format, mode and proportion that glmv and the library both define."""

import numpy as np
from PIL import Image, ImageFile

from images.make_images import interlaced_png, rgb16_png, scene

ImageFile.MAXBLOCK = 1 << 25  # Pillow must hold a whole progressive JPEG, and of noise that is larger than it expects
LARGEST_SIDE = 1500
STEEPEST = 190  # the library refuses a proportion above 200


def size(rng, largest=LARGEST_SIDE):
    """(height, width) in pixels: small ones often, thin ones sometimes."""
    height, width = (max(1, int(largest ** rng.random())) for _ in range(2))
    return max(height, -(-width // STEEPEST)), max(width, -(-height // STEEPEST))


def pixels(rng, height, width):
    """Noise, a ramp, flat colour, or a scene with edges, u8 [height, width, 4]."""
    noise = np.random.default_rng(rng.getrandbits(32))
    kind = rng.randrange(4)
    if kind == 0:
        return noise.integers(0, 256, (height, width, 4), dtype=np.uint8)
    if kind == 1:
        ramp = np.add.outer(np.arange(height), np.arange(width))[..., None] * noise.uniform(0.1, 3, 4)
        return ramp.astype(np.int64).astype(np.uint8)
    if kind == 2:
        return np.broadcast_to(noise.integers(0, 256, 4, dtype=np.uint8), (height, width, 4)).copy()
    seed = rng.getrandbits(31)
    return np.dstack([scene(width, height, seed), scene(width, height, seed + 1)[..., 0]])


def write_jpeg(rng, path, rgba, exif):
    picture = Image.fromarray(rgba).convert("RGB")
    mode = rng.choice(("RGB", "RGB", "RGB", "L", "CMYK"))
    picture = Image.fromarray(rgba, "CMYK") if mode == "CMYK" else picture.convert(mode)
    colour = {"keep_rgb": True} if rng.random() < 0.1 else {"subsampling": rng.randrange(3)}
    picture.save(path, quality=rng.randint(5, 100), progressive=rng.random() < 0.3, optimize=rng.random() < 0.3,
                 exif=exif, restart_marker_blocks=rng.choice((0, 0, 1, 7)), **(colour if mode == "RGB" else {}))


def write_png(rng, path, rgba, exif):
    kind = rng.choice(("RGB", "RGBA", "L", "LA", "P", "P", "1", "tRNS", "interlaced", "16 bits"))
    if kind == "interlaced":
        path.write_bytes(interlaced_png(rgba[..., :3]))
    elif kind == "16 bits":
        low = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, rgba.shape[:2] + (3,), dtype=np.uint16)
        path.write_bytes(rgb16_png(rgba[..., :3].astype(np.uint16) * 256 + low))
    elif kind == "P":
        colours = rng.choice((2, 3, 13, 60, 256))
        transparency = {"transparency": rng.randrange(2)} if rng.random() < 0.4 else {}
        Image.fromarray(rgba).convert("RGB").quantize(colours).save(path, exif=exif, **transparency)
    elif kind == "tRNS":
        picture = Image.fromarray(rgba).convert(rng.choice(("RGB", "L")))
        picture.save(path, exif=exif, transparency=picture.getpixel((0, 0)))
    else:
        Image.fromarray(rgba).convert(kind).save(path, exif=exif)
    return kind


def write_picture(rng, stem):
    """One random file; (path, who decodes it for the library: "library" or "Pillow").

    Where the library's own decoders disagree (WebP's EXIF) the case is left out, where they refuse (BMP) and for GIF
    Pillow decodes; 16 bits are the library's alone.
    """
    rgba = pixels(rng, *size(rng))
    exif = Image.Exif()
    if rng.random() < 0.4:
        exif[0x0112] = rng.randint(1, 8)
    kind = rng.choice(("jpg",) * 8 + ("png",) * 8 + ("webp",) * 2 + ("bmp", "gif"))
    path = stem.with_suffix("." + kind)
    decoder = rng.choice(("library", "Pillow"))
    if kind == "jpg":
        write_jpeg(rng, path, rgba, exif)
    elif kind == "png":
        if write_png(rng, path, rgba, exif) == "16 bits":
            decoder = "library"
    elif kind == "webp":
        Image.fromarray(rgba).convert(rng.choice(("RGB", "RGBA"))).save(path, lossless=rng.random() < 0.5, quality=rng.randint(0, 100))
    else:
        decoder = "Pillow"
        picture = Image.fromarray(rgba).convert("RGB")
        (picture.quantize(rng.choice((2, 60, 256))) if kind == "gif" or rng.random() < 0.5 else picture).save(path)
    return path, decoder


def write_clip(rng, folder):
    """A folder of equally large frames."""
    folder.mkdir()
    height, width = size(rng, LARGEST_SIDE // 4)
    for index in range(rng.choice((1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10))):
        Image.fromarray(pixels(rng, height, width)[..., :3]).save(folder / f"{index:03}.png")
    return folder
