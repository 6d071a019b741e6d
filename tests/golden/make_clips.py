"""Small video files, and what the Hugging Face video processors make of them: clips/*, clips/clips.json. Also
clips/sampling.json: which frames the sampling rules take of random clips.

    python make_clips.py             makes the files (with the ffmpeg of the package imageio-ffmpeg) and the goldens
    python make_clips.py --check     are the goldens still what the library says of the committed files?

The library's decoder is torchcodec. Per clip: its metadata, a CRC-32 of every decoded frame (RGB, rows top to bottom),
and per sampling rule (4.5V's and 4.6V's) the indices, timestamps, grid and a CRC-32 of pixel_values_videos.
Needs torchcodec, imageio-ffmpeg (to make) and the packages of requirements.txt.
"""

import argparse
import json
import random
import subprocess
import sys
import zlib
from pathlib import Path

from oracle import settings

settings.pin_cpu()

import numpy as np  # noqa: E402
from torchcodec.decoders import VideoDecoder  # noqa: E402
from transformers.models.glm4v.video_processing_glm4v import Glm4vVideoProcessor  # noqa: E402
from transformers.models.glm46v.video_processing_glm46v import Glm46VVideoProcessor  # noqa: E402
from transformers.video_utils import VideoMetadata, load_video  # noqa: E402

FOLDER = Path(__file__).parent / "clips"
H264 = "-c:v libx264 -preset veryslow -crf 38 -pix_fmt yuv420p -movflags +faststart"
RULES = {"glm4v": Glm4vVideoProcessor, "glm46v": Glm46VVideoProcessor}

# name: (size, rate, seconds, options); tests/video_test.cc says what each is for.
MADE = {
    "constant.mp4": ("96x64", 30, 2, H264),
    "ntsc.mp4": ("98x66", "30000/1001", 1.5, H264 + " -g 250 -bf 3"),
    "variable.mp4": ("96x64", 25, 3, "-vf select='not(mod(n,7))+lt(n,20)' -fps_mode vfr " + H264),
    "half_second.mp4": ("64x48", 2, 0.4, H264),
    "eighth_second.mp4": ("64x48", 30, 0.12, H264),
    "long.mp4": ("32x32", 1, 320, H264 + " -g 400"),
    "odd_size.webm": ("96x64", 10, 1, "-vf scale=97:65 -c:v libvpx-vp9 -crf 50 -b:v 0 -pix_fmt yuv420p"),
    "alpha.webm": ("96x64", 10, 1, "-c:v libvpx-vp9 -crf 50 -b:v 0 -pix_fmt yuva420p"),
    "full_range.avi": ("96x64", 10, 1, "-c:v mjpeg -q:v 20 -pix_fmt yuvj420p"),
    "bt709.mp4": ("96x64", 25, 1, H264.replace("yuv420p", "yuv444p") + " -colorspace bt709 -color_primaries bt709 -color_trc bt709"),
    "ten_bit.mp4": ("96x64", 25, 1, "-c:v libx265 -crf 38 -x265-params log-level=none -pix_fmt yuv420p10le"),
    "animated.gif": ("64x48", 10, 0.7, ""),
    "sound_longer.mp4": ("64x48", 12, 1, "-f lavfi -i sine=d=2 " + H264 + " -c:a aac -b:a 16k"),
}
# name: (made from, options before the input)
COPIED = {
    "rotated_90.mp4": ("constant.mp4", "-display_rotation 90"),
    "rotated_180.mp4": ("ntsc.mp4", "-display_rotation 180"),
    "rotated_270.mp4": ("constant.mp4", "-display_rotation 270"),
    "cut_in_group.mp4": ("constant.mp4", "-ss 0.7"),
}


def make():
    import imageio_ffmpeg

    FOLDER.mkdir(exist_ok=True)
    base = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y"]
    for name, (size, rate, seconds, options) in MADE.items():
        source = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]
        subprocess.run(base + source + options.split() + ["-bitexact", str(FOLDER / name)], check=True)
    for name, (source, options) in COPIED.items():
        subprocess.run(base + options.split() + ["-i", str(FOLDER / source), "-c", "copy", "-bitexact", str(FOLDER / name)], check=True)
    sound = ["-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac", "-b:a", "16k", "-bitexact"]
    subprocess.run(base + sound + [str(FOLDER / "sound_only.m4a")], check=True)
    whole = (FOLDER / "constant.mp4").read_bytes()
    (FOLDER / "truncated.mp4").write_bytes(whole[: len(whole) * 3 // 5])


def crc(array):
    return f"{zlib.crc32(np.ascontiguousarray(array).tobytes()):08x}"


def sampled(path, make_processor):
    processor = make_processor()
    videos, metadata = load_video(str(path), backend="torchcodec",
                                  sample_indices_fn=lambda metadata, **_: processor.sample_frames(metadata=metadata))
    out = processor(videos=[videos], video_metadata=[metadata], do_sample_frames=False, return_tensors="pt")
    return {
        "indices": [int(i) for i in metadata.frames_indices],
        "seconds": [float(t) for t in metadata.timestamps],
        "grid": out["video_grid_thw"][0].tolist(),
        "pixels_crc": crc(out["pixel_values_videos"].numpy()),
    }


def golden(path):
    decoder = VideoDecoder(str(path), seek_mode="exact", num_ffmpeg_threads=0)
    m = decoder.metadata
    frames = decoder.get_frames_at(list(range(m.num_frames))).data.permute(0, 2, 3, 1).numpy()
    entry = {"frames": m.num_frames, "fps": float(m.average_fps), "duration": float(m.duration_seconds),
             "width": frames.shape[2], "height": frames.shape[1], "frame_crcs": [crc(f) for f in frames]}
    for rule, make_processor in RULES.items():
        try:
            entry[rule] = sampled(path, make_processor)
        except Exception as error:  # whatever it raises for a clip of which the rule takes nothing
            entry[rule] = {"error": type(error).__name__}
    return entry


def random_sampling():
    """Random clips with rates that people use, and what each rule takes of them."""
    rng, cases = random.Random(7), []
    while len(cases) < 240:
        rule = rng.choice(list(RULES))
        fps = rng.choice((1, 2, 7.5, 10, 12, 15, 24000 / 1001, 24, 25, 30000 / 1001, 30, 50, 60, rng.uniform(0.5, 120)))
        frames = rng.choice((rng.randint(1, 30), rng.randint(1, 1000), rng.randint(1, 40000)))
        duration = frames / fps * rng.choice((1, 1, 1, rng.uniform(0.7, 1.4)))
        rate = rng.choice((None, None, 0.5, 1, 3, 7, rng.uniform(0.1, 60))) if rule == "glm4v" else None
        metadata = VideoMetadata(total_num_frames=frames, fps=fps, duration=duration)
        taken = RULES[rule]().sample_frames(metadata=metadata, fps=rate)
        if len(taken):
            cases.append({"rule": rule, "frames": frames, "fps": fps, "duration": duration, "rate": rate, "count": len(taken),
                          "crc": crc(taken.astype(np.int64))})
    return cases


def check_or_write(name, text, check):
    path = FOLDER / name
    if not check:
        path.write_text(text)
    elif path.read_text() != text:
        sys.exit(f"{name} is not what the library says")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    settings.pin_torch()
    if not args.check:
        make()
    made = {name: golden(FOLDER / name) for name in sorted([*MADE, *COPIED])}
    check_or_write("clips.json", json.dumps(made, indent=1) + "\n", args.check)
    check_or_write("sampling.json", "[\n" + ",\n".join(json.dumps(c) for c in random_sampling()) + "\n]\n", args.check)
    print(f"{len(made)} clips")


if __name__ == "__main__":
    main()
