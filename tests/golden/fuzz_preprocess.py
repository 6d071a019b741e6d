"""Random prompts: does `glmv preprocess` make of them what the Hugging Face processor makes, bit for bit?

    python fuzz_preprocess.py --glmv build/glmv --n 200 --seed 1
    python fuzz_preprocess.py --glmv build/glmv --seed 1 --only 17 --keep DIR     one case again, files kept
    python fuzz_preprocess.py --glmv build/glmv --image-backend pillow            the library's Pillow backend
    python fuzz_preprocess.py --glmv build/glmv --video-files --family glm46v     clips as files, sampled as GLM-4.6V does

Every case is a conversation of one to three questions with up to three pictures or one or two clips: PNG and JPEG of
every mode, size, proportion, chroma subsampling and EXIF orientation, WebP, BMP and GIF, strings in several scripts
with control tokens between them, parts in every shape that --messages takes, thinking on or off. Token ids, token
types, grids, position ids, rope_delta and pixels must all be equal, and what one side refuses (a clip of one frame,
say) the other must refuse too. The library opens a picture itself or gets what Pillow decodes. The snapshot is the tiny
one with a larger tokenizer, learned anew from the strings used here. With --image-backend the library's Pillow backend
opens and resizes the pictures; `pillow` wants a Pillow of version 13 or newer, `pillow-12` an older one.
With --video-files clips are the files of clips/, which the library opens with torchcodec.
Needs the packages of requirements.txt.
"""

import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from oracle import settings

settings.pin_cpu()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from oracle import fuzzing, random_pictures, wide_snapshot  # noqa: E402
import PIL  # noqa: E402
from PIL import Image, ImageOps  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor  # noqa: E402
from transformers.image_utils import load_image, load_image_as_tensor  # noqa: E402
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil  # noqa: E402
from transformers.video_utils import VideoMetadata  # noqa: E402

SNAPSHOT = Path(__file__).resolve().parents[2] / "data" / "tiny" / "glm45v"
CLIPS = Path(__file__).resolve().parent / "clips"
# Of which both rules take frames, or glmv would take one pair where the library fails.
CLIP_FILES = [p for p in sorted(CLIPS.iterdir()) if p.suffix in (".mp4", ".webm", ".avi", ".gif")
              and p.stem not in ("eighth_second", "truncated")]
TIMEOUT_SECONDS = 120
WORDS = (
    "What is this? count the RED circles how many don't I'VE you'll 3.14159 1234567 0 ½ x² café cafe\u0301 ſ 你好，世界！ 北京市海淀区 "
    "русский текст こんにちは 안녕하세요 مرحبا עברית ไทย हिन्दी 😀 👩‍👩‍👧 🎉🚀 \u00a0 \u2003 \u200b \ufeff ` ``` $x^2$ {\"a\": [1, 2]} <b> </b> "
    "def f(x): return x // 2 https://example.org/a?b=c#d == != -> ... !!! ??? \\n \x7f \x1c \x1f \x85 \u3000 \u180e \u2028 \u0000-not a_b CamelCase HTTPRequest"
).split(" ")
SPACES = (" ", " ", " ", " ", "", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n ", "\n\n\n")
CONTROL = ("<think>", "</think>", "/nothink", "<|user|>", "<|assistant|>", "<|begin_of_box|>", "<|end_of_box|>", "<sop>",
           "<|endoftext|>", "<|begin_of_image|>", "<|end_of_video|>", "<|observation|>", "<|imag", "|>", "<tool_call>")


def words(rng, most, control=0.06):
    """A string of up to `most` pieces; a picture's or clip's own token is never among them: it stands for a medium."""
    out = ""
    for _ in range(rng.randint(0, most)):
        out += rng.choice(CONTROL) if rng.random() < control else rng.choice(WORDS)
        out += rng.choice(SPACES)
    return out.replace("\x00", "")


def training_texts():
    """What the tokenizer learns from; the same in every run. A control token must not become a base token."""
    rng = random.Random(0)
    return [words(rng, 12, control=0) for _ in range(4000)]


def part(rng, kind, path):
    """A picture's or clip's content part, in one of the shapes that chat templates and servers take."""
    place = rng.choice((path.name, path.name, str(path.resolve()), path.resolve().as_uri()))
    if kind == "image" and rng.random() < 0.3:
        return {"type": "image_url", "image_url": rng.choice(({"url": place}, place))}
    return {"type": kind, rng.choice((kind, "url", "path")): place}


def perhaps_parts(rng, text):
    """A text as it is, or cut in two parts."""
    if rng.random() < 0.7:
        return text
    cut = rng.randint(0, len(text))
    return [{"type": "text", "text": text[:cut]}, {"type": "text", "text": text[cut:]}]


def for_template(content):
    """Content as the library's template takes it: it drops image_url parts, and media are handed over separately."""
    if isinstance(content, str):
        return content
    kinds = {"image": "image", "image_url": "image", "video": "video"}
    return [p if p["type"] == "text" else {"type": kinds[p["type"]]} for p in content]


def eight_bits(picture):
    """torchvision gives on samples of 16 bits; torchcodec, which the library prefers, has them scaled and rounded."""
    wide = picture.to(torch.int32)
    return picture if picture.dtype == torch.uint8 else ((wide * 255 + 32895) >> 16).to(torch.uint8)


def decoded(path):
    """What Pillow sees, upright, u8 [height, width, 3]."""
    return np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))


class Case:
    """One conversation with its files, described for both sides."""

    def __init__(self, rng, folder, video_files):
        self.video_files = video_files
        self.thinking = rng.random() < 0.6
        self.fps = rng.choice((0.5, 1, 2, 2, 3, 7.5, 24, 30))
        pictures = rng.random() < (0.1 if video_files else 0.75)
        self.media = ["image"] * rng.choice((0, 1, 1, 2, 3)) if pictures else ["video"] * rng.randint(1, 2)
        self.paths, self.decoders = [], []
        for i, kind in enumerate(self.media):
            stem = folder / rng.choice((f"{kind}{i}", f"{kind} {i}%41"))  # a URL must write the blank and the % otherwise
            if kind == "video" and video_files:
                clip = rng.choice(CLIP_FILES)
                path, decoder = shutil.copy(clip, stem.with_suffix(clip.suffix)), "library"
            elif kind == "video":
                path, decoder = random_pictures.write_clip(rng, stem), "Pillow"
            else:
                path, decoder = random_pictures.write_picture(rng, stem)
            self.paths.append(path)
            self.decoders.append(decoder)
        self.messages = self.conversation(rng)
        written = self.messages if rng.random() < 0.7 else {"messages": self.messages}
        (folder / "messages.json").write_text(json.dumps(written, ensure_ascii=rng.random() < 0.5))

    def conversation(self, rng):
        turns = rng.choice((1, 1, 1, 2, 3))
        at = sorted(rng.randrange(turns) for _ in self.media)
        out = [{"role": "system", "content": perhaps_parts(rng, words(rng, 6))}] if rng.random() < 0.3 else []
        for turn in range(turns):
            parts = [part(rng, kind, path)
                     for kind, path, where in zip(self.media, self.paths, at, strict=True) if where == turn]
            for _ in range(rng.randint(1, 2)):
                parts.insert(rng.randint(0, len(parts)), {"type": "text", "text": words(rng, 12)})
            plain = len(parts) == 1 and rng.random() < 0.5
            out.append({"role": "user", "content": parts[0]["text"] if plain else parts})
            if rng.random() < (0.9 if turn + 1 < turns else 0.15):  # two questions in a row, or a last answer, now and then
                out.append(self.answer(rng))
        return out

    @staticmethod
    def answer(rng):
        kind, text = rng.randrange(4), words(rng, 6)
        if kind == 0:
            text = f"<think>{words(rng, 4)}</think>\n{text}"
        if kind == 1:
            text = f"{words(rng, 2)}<think>{words(rng, 2)}<think>{words(rng, 2)}</think>{words(rng, 2)}</think>{text}"
        reasoning = {"reasoning_content": words(rng, 4)} if kind == 2 else {}
        return {"role": "assistant", "content": perhaps_parts(rng, text)} | reasoning

    def describe(self):
        def one(kind, path, who):
            if kind == "video":
                return path.name if path.is_file() else f"clip of {len(list(path.iterdir()))}"
            return "{}x{}{} ({})".format(*Image.open(path).size, path.suffix, who)

        sizes = [one(*medium) for medium in zip(self.media, self.paths, self.decoders)]
        return f"{len(self.messages)} messages, " + (", ".join(sizes) or "no pictures") + ("" if self.thinking else ", no thinking")


def name_as_46v(snapshot):
    """The classes that a GLM-4.6V snapshot names."""
    for name in ("preprocessor_config.json", "video_preprocessor_config.json", "tokenizer_config.json"):
        text = (snapshot / name).read_text()
        for kind in ("ImageProcessor", "VideoProcessor", "Processor"):
            text = text.replace(f'"Glm4v{kind}"', f'"Glm46V{kind}"')
        (snapshot / name).write_text(text)


class Library:
    """The processor, and the model's position ids, of a snapshot."""

    def __init__(self, snapshot, family, image_backend):
        self.snapshot = snapshot
        self.family = family
        self.image_backend = image_backend
        if family == "glm46v":
            name_as_46v(snapshot)
        self.processor = AutoProcessor.from_pretrained(snapshot)
        if image_backend != "torchvision":
            self.processor.image_processor = Glm4vImageProcessorPil.from_pretrained(snapshot)
        with torch.device("meta"):
            self.model = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(snapshot))

    def inputs(self, case):
        messages = [{**m, "content": for_template(m["content"])} for m in case.messages]
        text = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False,
                                                  enable_thinking=case.thinking)
        images = [self.picture(p, who) for k, p, who in zip(case.media, case.paths, case.decoders) if k == "image"]
        files = [p for k, p in zip(case.media, case.paths) if k == "video"]
        clips = [] if case.video_files else [self.clip(p) for p in files]
        metadata = [VideoMetadata(total_num_frames=len(c), fps=case.fps, duration=len(c) / case.fps,
                                  frames_indices=list(range(len(c)))) for c in clips]
        video = {"videos": clips, "video_metadata": metadata, "do_sample_frames": False} if clips else {}
        if case.video_files and files:
            video = {"videos": [str(p) for p in files]} | ({"fps": case.fps} if self.family == "glm45v" else {})
        made = dict(self.processor(text=[text], images=images or None, return_tensors="pt", return_mm_token_type_ids=True, **video))
        ids, types = made.pop("input_ids"), made.pop("mm_token_type_ids")
        grids = {name: made[name] for name in ("image_grid_thw", "video_grid_thw") if name in made}
        positions, delta = self.model.model.get_rope_index(ids, types, **grids)
        pixels = {name: made[name] for name in ("pixel_values", "pixel_values_videos") if name in made}
        return {"input_ids": ids[0], "mm_token_type_ids": types[0], "position_ids": positions[:, 0],
                "rope_delta": delta[0]} | grids | pixels

    def picture(self, path, decoder):
        if self.image_backend != "torchvision":
            return load_image(str(path))  # as the processor does with a path
        if decoder == "library":
            return eight_bits(load_image_as_tensor(str(path)))
        return torch.from_numpy(decoded(path).copy()).permute(2, 0, 1)

    @staticmethod
    def clip(folder):
        return torch.from_numpy(np.stack([decoded(p) for p in sorted(folder.iterdir())])).permute(0, 3, 1, 2)


def ours(glmv, library, case, folder):
    """(tensors, "") or (None, what glmv said)."""
    out = folder / "inputs.safetensors"
    command = [glmv, "preprocess", "--model", str(library.snapshot), "--messages", str(folder / "messages.json"),
               "-o", str(out)]
    has_rate = not case.video_files or library.family == "glm45v"
    command += ["--fps", str(case.fps)] if "video" in case.media and has_rate else []
    command += [] if case.thinking else ["--no-think"]
    command += ["--image-backend", library.image_backend] if "image" in case.media else []
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    return (load_file(out), "") if done.returncode == 0 else (None, f"exit {done.returncode}: {done.stderr.strip()}")


def compare(glmv, library, case, folder):
    """What differs, in words, "" if nothing does; and, if both sides refused the prompt, what they said."""
    mine, said = ours(glmv, library, case, folder)
    try:
        theirs = library.inputs(case)
    except (ValueError, TypeError, StopIteration) as error:  # what the library's checks and its position ids raise
        reason = f"{type(error).__name__} {error}".strip()
        return ("", f"{said} | {reason}") if mine is None else (f"glmv takes it, the library says: {reason}", "")
    return said or difference(mine, theirs), ""


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
        case = Case(random.Random(f"{args.seed}/{index}"), folder, args.video_files)
        said, refused = compare(args.glmv, library, case, folder)
        print(f"{'FAIL' if said else 'ok  '} {index}: {case.describe()}{f'; refused by both: {refused}' if refused else ''}", flush=True)
    if said:
        fuzzing.say_failure(args, index, said, ["--image-backend", args.image_backend, "--family", args.family,
                                                 *["--video-files"] * args.video_files])
    return not said


def main():
    parser = fuzzing.parser(__doc__, 200)
    parser.add_argument("--image-backend", choices=("torchvision", "pillow", "pillow-12"), default="torchvision")
    parser.add_argument("--family", choices=("glm45v", "glm46v"), default="glm45v")
    parser.add_argument("--video-files", action="store_true", help="clips are files of clips/ (needs torchcodec)")
    args = parser.parse_args()
    if args.image_backend != "torchvision" and (int(PIL.__version__.split(".")[0]) < 13) != (args.image_backend == "pillow-12"):
        sys.exit(f"--image-backend {args.image_backend}: this is Pillow {PIL.__version__}")
    settings.pin_torch()
    with tempfile.TemporaryDirectory() as snapshot:
        library = Library(wide_snapshot.write(SNAPSHOT, training_texts(), Path(snapshot)), args.family, args.image_backend)
        fuzzing.run(args, lambda index: one(args, library, index), "prompts")


if __name__ == "__main__":
    main()
