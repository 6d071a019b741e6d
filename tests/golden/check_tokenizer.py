"""Our tokenizer against the tokenizers library on published vocabularies of 151,643 and 100,256 entries.

    python check_tokenizer.py --tool build/tests/tokenize_tool --material DIR [--strings 100000] [--seed 1]
    python check_tokenizer.py --tool ... --material DIR --bench 5 -o result.json     CPU time, one thread each, taken in turns

DIR holds what is obtained once (`--fetch` does it, with pip and apt-get; nothing of it enters the repository): the wheels
dashscope (qwen.tiktoken) and litellm (cl100k_base), and Debian packages with texts in several languages. What is missing
is skipped, counted and named. From the ranks a tokenizer.json is made as GLM's was: every split of a token into two
tokens is a merge, in the order of the result; GLM's regex, byte level, ignore_merges, and the added tokens of GLM-4.5V.

Compared, id by id: every code point doubled, and between letters, digits, blanks and line ends; the texts; random strings of
many scripts with control tokens. Decoded, through our streaming decoder: all of it, and random ids, whose bytes break off
inside characters. Needs the package tokenizers.
"""

import argparse
import base64
import gzip
import hashlib
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import tokenizers  # noqa: E402

TINY = Path(__file__).resolve().parents[2] / "data" / "tiny" / "glm45v" / "tokenizer.json"
WHEELS = ("dashscope==2.0.2", "litellm==1.110.2")
PACKAGES = ("debian-reference-zh-cn", "debian-reference-zh-tw", "debian-reference-ja", "fortunes-ru", "fortunes", "fortunes-zh",
            "unicode-data", "manpages-zh")
# name: wheel, file in it, entries
VOCABULARIES = {
    "qwen": ("dashscope", "dashscope/resources/qwen.tiktoken", 151643),
    "cl100k": ("litellm", "litellm/litellm_core_utils/tokenizers/9b5ad71b2ce5302211f9c61530b329a4922fc6a4", 100256),
}
# name: packages, pattern of the files; and the first 16 hex digits of SHA-256 over the comma-joined ids of chunks of 200,000
# characters, per vocabulary, as tiktoken has them too
TEXTS = {
    "Chinese manual": ("debian-reference-zh-cn", "**/debian-reference.zh-cn.txt.gz", "8c1341925489e6a0", "59be52013edd7bab"),
    "Taiwanese manual": ("debian-reference-zh-tw", "**/debian-reference.zh-tw.txt.gz", "6fd5bc749a332af3", "03899be440cf8b45"),
    "Japanese manual": ("debian-reference-ja", "**/debian-reference.ja.txt.gz", "421995763ef5b598", "75624b9f586add65"),
    "emoji list": ("unicode-data", "**/emoji/emoji-test.txt", "561ae3044b760ada", "a8454b14379fca6e"),
    "Russian": ("fortunes-ru", "**/fortunes/ru/*", "3aefb7b90403c649", "7e9e43cb32f8ff09"),
    "English": ("fortunes", "**/games/fortunes/*", "5fdb1c2b599d018b", "c1cb73b3d734598a"),
    "Chinese verse": ("fortunes-zh", "**/games/fortunes/*", "695815a6994953c2", "3e59f6fa5b4123a7"),
    "Chinese manual pages": ("manpages-zh", "**/man1/*.gz", None, None),
}
CHUNK = 200_000
ODD = "' s ſ ﬆ 0 ९ ٣ ² ½ ⅷ \u00a0 \u2028 \u3000 \u200d \u0301 \n \r \t 的 é 😀 İ K \u0085".split(" ") + [" "]
CONTROL = ("<think>", "</think>", "/nothink", "<|user|>", "<|image|>", "<|imag", "[gMASK]", "<sop>", "'ll", "'RE", "\r\n", "   ")


def fetch(material):
    material.mkdir(parents=True, exist_ok=True)
    for wheel in WHEELS:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(material), wheel], check=True)
    for package in PACKAGES:
        subprocess.run(["apt-get", "download", "-q", package], cwd=material, check=True, stdout=subprocess.DEVNULL)


def byte_alphabet():
    """GPT-2's printable character for every byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 256 + 68))
    return [chr(b) if b in plain else chr(next(spare)) for b in range(256)]


def ranks_of(material, name):
    wheel, path, entries = VOCABULARIES[name]
    found = sorted(material.glob(f"{wheel}-*.whl"))
    if not found:
        return None
    lines = zipfile.ZipFile(found[-1]).read(path).split(b"\n")
    ranks = {base64.b64decode(line.split()[0]): int(line.split()[1]) for line in lines if line.strip()}
    if len(ranks) != entries:
        sys.exit(f"{path}: {len(ranks)} ranks, expected {entries}")
    return ranks


def tokenizer_json(ranks):
    """As GLM's file was made: vocabulary, merges, pipeline, added tokens behind the last rank."""
    document, letters = json.loads(TINY.read_text()), byte_alphabet()
    spelled = {token: "".join(letters[b] for b in token) for token in ranks}
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        splits = [(token[:i], token[i:]) for i in range(1, len(token))]
        known = [(ranks[a], ranks[b], a, b) for a, b in splits if a in ranks and b in ranks]
        merges += [[spelled[a], spelled[b]] for _, _, a, b in sorted(known)]
    document["model"] |= {"vocab": {spelled[t]: r for t, r in ranks.items()}, "merges": merges, "ignore_merges": True}
    base = max(ranks.values()) + 1
    document["added_tokens"] = [{**token, "id": base + i} for i, token in enumerate(document["added_tokens"])]
    return document


def unpacked(material, package, folder):
    found = sorted(material.glob(f"{package}_*.deb"))
    if not found:
        return None
    target = folder / package
    if not target.exists():
        subprocess.run(["dpkg-deb", "-x", str(found[-1]), str(target)], check=True)
    return target


def text_of(material, name, folder):
    package, pattern, *_ = TEXTS[name]
    root = unpacked(material, package, folder)
    if root is None:
        return None
    files = sorted(p for p in root.glob(pattern) if p.is_file() and not p.is_symlink() and p.suffix not in (".dat", ".u8"))
    read = [gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes() for p in files]
    return b"".join(read).decode(errors="replace")


SHAPES = ("{0}{0}", "a{0}1", " {0}中", "'{0}\n")


def code_points(shape):
    """Every scalar value in company that the regex tells apart."""
    scalars = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    return ["\u3000".join(shape.format(c) for c in scalars[i : i + 64]) for i in range(0, len(scalars), 64)]


def random_string(rng):
    def piece():
        kind = rng.random()
        if kind < 0.35:
            return rng.choice(ODD)
        if kind < 0.42:
            return rng.choice(CONTROL)
        if kind < 0.7:
            return chr(rng.choice((rng.randrange(32, 127), rng.randrange(0xA0, 0x600), rng.randrange(0x3000, 0xD7FF))))
        if kind < 0.8:
            code = rng.randrange(0x110000)
            return chr(code) if not 0xD800 <= code <= 0xDFFF else "\ufffd"
        return "".join(rng.choice("abcdefgh ijklmno XYZ019.,") for _ in range(rng.randint(1, 12)))

    return "".join(piece() for _ in range(rng.randint(1, 12)))


class Tool:
    """tokenize_tool with one tokenizer."""

    def __init__(self, tool, folder):
        self.tool, self.folder = str(Path(tool).resolve()), str(folder)
        self.seconds = 0.0

    def run(self, what, records):
        data = b"".join(len(r).to_bytes(4, "little") + r for r in records) if what == "encode" else \
            b"".join(len(r).to_bytes(4, "little") + b"".join(i.to_bytes(4, "little") for i in r) for r in records)
        done = subprocess.run([self.tool, self.folder, what], input=data, capture_output=True)
        if done.returncode:
            sys.exit(f"{what}: exit {done.returncode}: {done.stderr.decode()}")
        self.seconds = float(done.stderr)
        out, at, size = [], 0, 4 if what == "encode" else 1
        while at < len(done.stdout):
            count = int.from_bytes(done.stdout[at : at + 4], "little")
            chunk = done.stdout[at + 4 : at + 4 + count * size]
            out.append(list(memoryview(chunk).cast("i")) if what == "encode" else chunk.decode())
            at += 4 + count * size
        return out

    def encode(self, texts):
        return self.run("encode", [t.encode() for t in texts])

    def decode(self, ids):
        return self.run("decode", ids)


class Check:
    """Both tokenizers, and what differed."""

    def __init__(self, tool, document, folder):
        path = folder / "tokenizer.json"
        path.write_text(json.dumps(document))
        self.library = tokenizers.Tokenizer.from_file(str(path))
        self.ours = Tool(tool, folder)
        self.wrong = 0

    def report(self, what, inputs, mine, theirs):
        wrong = [i for i, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b]
        print(f"  {'FAIL' if wrong else 'equal'}: {what}, {len(inputs):,}", flush=True)
        if wrong:
            print(f"    {len(wrong)} differ, first {inputs[wrong[0]]!r:.200}\n    ours    {mine[wrong[0]]!r:.200}\n"
                  f"    library {theirs[wrong[0]]!r:.200}")
        self.wrong += len(wrong)

    def texts(self, what, texts):
        theirs = [self.library.encode(t, add_special_tokens=False).ids for t in texts]
        self.report(f"{what}, {sum(map(len, theirs)):,} ids", texts, self.ours.encode(texts), theirs)
        self.ids(f"{what}, decoded", theirs)
        return theirs

    def ids(self, what, ids):
        theirs = [self.library.decode(i, skip_special_tokens=False) for i in ids]
        self.report(what, ids, self.ours.decode(ids), theirs)


def chunks(text):
    return [text[i : i + CHUNK] for i in range(0, len(text), CHUNK)]


def check_hash(check, name, ids, want):
    got = hashlib.sha256(",".join(str(i) for chunk in ids for i in chunk).encode()).hexdigest()[:16]
    if want and got != want:
        print(f"  FAIL: {name}: the ids hash to {got}, recorded {want}")
        check.wrong += 1


def check_all(args, name, document, texts, folder):
    check, rng = Check(args.tool, document, folder), random.Random(args.seed)
    for title, text in texts.items():
        ids = check.texts(title, chunks(text))
        check_hash(check, title, ids, TEXTS[title][2 + list(VOCABULARIES).index(name)])
    for shape in SHAPES:  # one at a time: together they are tens of millions of ids
        check.texts(f"every code point as {shape!r}", code_points(shape))
    check.texts("random strings", [random_string(rng) for _ in range(args.strings)])
    size = check.library.get_vocab_size()
    check.ids("random ids, decoded", [[rng.randrange(size + 50) for _ in range(rng.randint(1, 40))] for _ in range(args.strings // 5)])
    return check.wrong


def bench(args, document, texts, folder):
    """Million ids per second of both, in turns; the library encodes chunk by chunk in one thread."""
    check = Check(args.tool, document, folder)
    rows = {}
    for title, text in texts.items():
        pieces, ours, theirs = chunks(text), [], []
        for _ in range(args.bench):
            ids = check.ours.encode(pieces)
            ours.append(check.ours.seconds)
            begin = time.process_time()
            for piece in pieces:
                check.library.encode(piece, add_special_tokens=False)
            theirs.append(time.process_time() - begin)
        count = sum(map(len, ids))
        ratios = sorted(b / a for a, b in zip(ours, theirs))
        rows[title] = {"tokens": count, "glmv_tokens_per_s": round(count / statistics.median(ours)),
                       "library_tokens_per_s": round(count / statistics.median(theirs)),
                       "ratio_median": round(statistics.median(ratios), 3), "ratio_least": round(ratios[0], 3)}
        print(f"  {title}: {rows[title]}", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--material", required=True, type=Path)
    parser.add_argument("--fetch", action="store_true", help="obtain the material first")
    parser.add_argument("--strings", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--vocabulary", choices=tuple(VOCABULARIES), help="this one alone")
    parser.add_argument("--bench", type=int, default=0, metavar="PAIRS", help="measure speed instead of comparing")
    parser.add_argument("-o", "--output", type=Path, help="with --bench: the result, as JSON")
    args = parser.parse_args()
    if args.fetch:
        fetch(args.material)
    wrong, skipped, results = 0, [], {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        texts = {name: text_of(args.material, name, folder) for name in TEXTS}
        skipped += [name for name, text in texts.items() if text is None]
        texts = {name: text for name, text in texts.items() if text is not None}
        for name in [args.vocabulary] if args.vocabulary else VOCABULARIES:
            ranks = ranks_of(args.material, name)
            if ranks is None:
                skipped.append(f"vocabulary {name}")
                continue
            print(f"{name}: {len(ranks):,} entries")
            if args.bench:
                results[name] = bench(args, tokenizer_json(ranks), texts, folder)
            else:
                wrong += check_all(args, name, tokenizer_json(ranks), texts, folder)
    for what in skipped:
        print(f"skipped: {what} (not in {args.material})")
    if args.output:
        header = {"schema": "glmv.tokenizer_speed/1", "library": f"tokenizers {tokenizers.__version__}", "threads": 1, "clock": "CPU time of the process",
                  "pairs": args.bench, "cpu": platform.processor() or platform.machine()}
        args.output.write_text(json.dumps(header | {"vocabularies": results}, indent=1) + "\n")
    print(f"{wrong} differences, {len(skipped)} skipped")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
