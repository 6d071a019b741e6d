"""Random prompts: does `glmv preprocess` make of them what the Hugging Face processor makes, bit for bit?

    python fuzz_preprocess.py --glmv build/glmv --n 200 --seed 1
    python fuzz_preprocess.py --glmv build/glmv --seed 1 --only 17 --keep DIR     one case again, files kept

Every case is a conversation of one to three questions with up to three pictures or one or two clips: PNG and JPEG of
every mode, size, proportion, chroma subsampling and EXIF orientation, strings in several scripts with control tokens
between them, thinking on or off. Token ids, token types, grids, position ids, rope_delta and pixels must all be equal,
and what one side refuses (a clip of one frame, say) the other must refuse too. Pillow decodes for the library.
Needs the packages of requirements.txt.
"""

import argparse
import json
import random
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from oracle import settings

settings.pin_cpu()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image, ImageOps  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor  # noqa: E402
from transformers.video_utils import VideoMetadata  # noqa: E402

SNAPSHOT = Path(__file__).resolve().parents[2] / "data" / "tiny" / "glm45v"
TIMEOUT_SECONDS = 120
WORDS = (
    "What is this? count the RED circles how many don't I'VE you'll 3.14159 1234567 0 ½ x² café cafe\u0301 ſ 你好，世界！ 北京市海淀区 "
    "русский текст こんにちは 안녕하세요 مرحبا עברית ไทย हिन्दी 😀 👩‍👩‍👧 🎉🚀 \u00a0 \u2003 \u200b \ufeff ` ``` $x^2$ {\"a\": [1, 2]} <b> </b> "
    "def f(x): return x // 2 https://example.org/a?b=c#d == != -> ... !!! ??? \\n \x7f \u0000-not a_b CamelCase HTTPRequest"
).split(" ")
SPACES = (" ", " ", " ", " ", "", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n ", "\n\n\n")
CONTROL = ("<think>", "</think>", "/nothink", "<|user|>", "<|assistant|>", "<|begin_of_box|>", "<|end_of_box|>", "<sop>",
           "<|endoftext|>", "<|begin_of_image|>", "<|end_of_video|>", "<|observation|>", "<|imag", "|>", "<tool_call>")


def words(rng, most):
    """A string of up to `most` pieces; a picture's or clip's own token is never among them: it stands for a medium."""
    out = ""
    for _ in range(rng.randint(0, most)):
        out += rng.choice(CONTROL) if rng.random() < 0.06 else rng.choice(WORDS)
        out += rng.choice(SPACES)
    return out.replace("\x00", "")


def side(rng):
    """Side length in pixels: small ones often, up to 1,400."""
    return max(1, int(2 ** rng.uniform(0, 10.45)))


def pixels(rng, height, width):
    """Noise, a ramp, or flat colour, u8 [height, width, 4]."""
    noise = np.random.default_rng(rng.getrandbits(32))
    kind = rng.randrange(3)
    if kind == 0:
        return noise.integers(0, 256, (height, width, 4), dtype=np.uint8)
    if kind == 1:
        ramp = np.add.outer(np.arange(height), np.arange(width))[..., None] * noise.uniform(0.1, 3, 4)
        return ramp.astype(np.int64).astype(np.uint8)
    return np.broadcast_to(noise.integers(0, 256, 4, dtype=np.uint8), (height, width, 4)).copy()


def write_picture(rng, stem):
    """A picture of a random mode and format; returns its path. The proportion stays within what the library takes."""
    height, width = side(rng), side(rng)
    height, width = max(height, -(-width // 190)), max(width, -(-height // 190))
    picture = Image.fromarray(pixels(rng, height, width), "RGBA")
    exif = Image.Exif()
    if rng.random() < 0.4:
        exif[0x0112] = rng.randint(1, 8)
    if rng.random() < 0.5:
        path = stem.with_suffix(".jpg")
        picture.convert(rng.choice(("RGB", "RGB", "L"))).save(
            path, quality=rng.randint(5, 100), subsampling=rng.randrange(3), progressive=rng.random() < 0.3,
            optimize=rng.random() < 0.3, exif=exif, restart_marker_blocks=rng.choice((0, 0, 1, 7)))
    else:
        path = stem.with_suffix(".png")
        mode = rng.choice(("RGB", "RGBA", "L", "LA", "P", "1"))
        picture.convert("RGB" if mode == "P" else "RGBA").convert(mode).save(path, exif=exif)
    return path


def write_clip(rng, folder):
    """A folder of equally large frames."""
    folder.mkdir()
    height, width = max(1, side(rng) // 4), max(1, side(rng) // 4)
    height, width = max(height, -(-width // 190)), max(width, -(-height // 190))
    for index in range(rng.choice((1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10))):
        Image.fromarray(pixels(rng, height, width)[..., :3]).save(folder / f"{index:03}.png")
    return folder


def decoded(path):
    """What Pillow sees, upright, u8 [height, width, 3]."""
    return np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))


class Case:
    """One conversation with its files, described for both sides."""

    def __init__(self, rng, folder):
        self.thinking = rng.random() < 0.6
        self.fps = rng.choice((0.5, 1, 2, 2, 3, 7.5, 24, 30))
        self.media = ["image"] * rng.choice((0, 1, 1, 2, 3)) if rng.random() < 0.75 else ["video"] * rng.randint(1, 2)
        self.paths = [write_clip(rng, folder / f"clip{i}") if kind == "video" else write_picture(rng, folder / f"picture{i}")
                      for i, kind in enumerate(self.media)]
        self.messages = self.conversation(rng)
        (folder / "messages.json").write_text(json.dumps(self.messages))

    def conversation(self, rng):
        turns = rng.choice((1, 1, 1, 2, 3))
        at = sorted(rng.randrange(turns) for _ in self.media)
        out = [{"role": "system", "content": words(rng, 6)}] if rng.random() < 0.3 else []
        for turn in range(turns):
            parts = [{"type": kind, "path": path.name}
                     for kind, path, where in zip(self.media, self.paths, at, strict=True) if where == turn]
            for _ in range(rng.randint(1, 2)):
                parts.insert(rng.randint(0, len(parts)), {"type": "text", "text": words(rng, 12)})
            plain = len(parts) == 1 and rng.random() < 0.5
            out.append({"role": "user", "content": parts[0]["text"] if plain else parts})
            if turn + 1 < turns:
                out.append(self.answer(rng))
        return out

    @staticmethod
    def answer(rng):
        kind = rng.randrange(3)
        if kind == 0:
            return {"role": "assistant", "content": words(rng, 6)}
        if kind == 1:
            return {"role": "assistant", "content": f"<think>{words(rng, 4)}</think>\n{words(rng, 6)}"}
        return {"role": "assistant", "content": words(rng, 6), "reasoning_content": words(rng, 4)}

    def describe(self):
        sizes = [" ".join(str(n) for n in Image.open(p).size) + p.suffix if p.is_file() else f"clip of {len(list(p.iterdir()))}"
                 for p in self.paths]
        return f"{len(self.messages)} messages, " + (", ".join(sizes) or "no pictures") + ("" if self.thinking else ", no thinking")


class Library:
    """The processor, and the model's position ids, of the tiny snapshot."""

    def __init__(self):
        self.processor = AutoProcessor.from_pretrained(SNAPSHOT)
        with torch.device("meta"):
            self.model = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(SNAPSHOT))

    def inputs(self, case):
        messages = [{**m, "content": [{k: v for k, v in part.items() if k != "path"} for part in m["content"]]
                     if isinstance(m["content"], list) else m["content"]} for m in case.messages]
        text = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False,
                                                  enable_thinking=case.thinking)
        images = [torch.from_numpy(decoded(p).copy()).permute(2, 0, 1) for k, p in zip(case.media, case.paths) if k == "image"]
        clips = [self.clip(p) for k, p in zip(case.media, case.paths) if k == "video"]
        metadata = [VideoMetadata(total_num_frames=len(c), fps=case.fps, duration=len(c) / case.fps,
                                  frames_indices=list(range(len(c)))) for c in clips]
        video = {"videos": clips, "video_metadata": metadata, "do_sample_frames": False} if clips else {}
        made = dict(self.processor(text=[text], images=images or None, return_tensors="pt", return_mm_token_type_ids=True, **video))
        ids, types = made.pop("input_ids"), made.pop("mm_token_type_ids")
        grids = {name: made[name] for name in ("image_grid_thw", "video_grid_thw") if name in made}
        positions, delta = self.model.model.get_rope_index(ids, types, **grids)
        pixels = {name: made[name] for name in ("pixel_values", "pixel_values_videos") if name in made}
        return {"input_ids": ids[0], "mm_token_type_ids": types[0], "position_ids": positions[:, 0],
                "rope_delta": delta[0]} | grids | pixels

    @staticmethod
    def clip(folder):
        return torch.from_numpy(np.stack([decoded(p) for p in sorted(folder.iterdir())])).permute(0, 3, 1, 2)


def ours(glmv, case, folder):
    """(tensors, "") or (None, what glmv said)."""
    out = folder / "inputs.safetensors"
    command = [glmv, "preprocess", "--model", str(SNAPSHOT), "--messages", str(folder / "messages.json"),
               "--fps", str(case.fps), "-o", str(out)] + ([] if case.thinking else ["--no-think"])
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    return (load_file(out), "") if done.returncode == 0 else (None, f"exit {done.returncode}: {done.stderr.strip()}")


def compare(glmv, library, case, folder):
    """What differs, in words, "" if nothing does; and whether both sides refused the prompt."""
    mine, said = ours(glmv, case, folder)
    try:
        theirs = library.inputs(case)
    except (ValueError, TypeError, StopIteration) as error:  # what the library's checks and its position ids raise
        return ("" if mine is None else f"glmv takes it, the library says: {error}"), mine is None
    return said or difference(mine, theirs), False


def difference(mine, theirs):
    """The first tensor that is not equal, in words; "" if all are."""
    if set(mine) != set(theirs):
        return f"tensors {sorted(mine)}, the library has {sorted(theirs)}"
    for name, want in theirs.items():
        got, want = mine[name].flatten(), want.flatten().to(mine[name].dtype)
        if len(got) != len(want):
            return f"{name}: {tuple(mine[name].shape)}, the library has {tuple(theirs[name].shape)}"
        wrong = (got != want).nonzero()
        if len(wrong):
            at = int(wrong[0])
            return f"{name}: {len(wrong)} of {len(got)} differ, first [{at}]: {got[at]}, the library has {want[at]}"
    return ""


def one(args, library, index):
    """Make and check one case; True if both sides agree."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.keep or temporary) / f"case{index}"
        folder.mkdir(parents=True, exist_ok=True)
        case = Case(random.Random(f"{args.seed}/{index}"), folder)
        said, refused = compare(args.glmv, library, case, folder)
        print(f"{'FAIL' if said else 'ok  '} {index}: {case.describe()}{'; refused by both' if refused else ''}", flush=True)
    if said:
        print(f"     {said}\n     reproduce: python {shlex.quote(sys.argv[0])} --glmv {shlex.quote(args.glmv)} --seed {args.seed} "
              f"--only {index} --keep DIR", flush=True)
    return not said


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glmv", required=True, help="the glmv program")
    parser.add_argument("--n", type=int, default=200, help="number of cases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="run this case alone")
    parser.add_argument("--keep", help="keep the files under this folder")
    args = parser.parse_args()
    settings.pin_torch()
    library = Library()
    indices = range(args.n) if args.only is None else [args.only]
    failed = [index for index in indices if not one(args, library, index)]
    print(f"{len(indices) - len(failed)} of {len(indices)} prompts agree (seed {args.seed})"
          + (f"; not: {' '.join(map(str, failed))}" if failed else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
