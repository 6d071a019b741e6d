#!/usr/bin/env python3
"""Writes what the tokenizers library does with data/tiny/glm45v/tokenizer.json and with a few small variants of it.

    python3 tests/golden/tokenizer/make_tokenizer_golden.py             # rewrites golden.json beside the script
    python3 tests/golden/tokenizer/make_tokenizer_golden.py --fuzz N DRIVER [TOKENIZER.json]

golden.json: version and sha256; `encode` [text, ids]; `decode` [ids, skip_special, text]; `variants`, each a patch
of the tokenizer file with cases of its own; `classes`, the code points the library counts as letter, number, blank.
--fuzz compares N random strings and id lists with DRIVER, a program that reads JSON lines {"t": text} or
{"i": ids, "s": skip_special} and writes one JSON value per line. Exit status 1 if anything differs.
"""
import copy
import hashlib
import json
import pathlib
import random
import subprocess
import sys

import tokenizers
from tokenizers import Regex, Tokenizer, pre_tokenizers

HERE = pathlib.Path(__file__).resolve().parent
TINY = HERE.parents[2] / "data" / "tiny" / "glm45v" / "tokenizer.json"

BLANKS = [chr(c) for c in (*range(9, 14), *range(0x1C, 0x21), 0x85, 0xA0, 0x1680, 0x180E, *range(0x2000, 0x200B),
                           0x200B, 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF)]
CONTRACTIONS = ["'s", "'S", "'\u017f", "'t", "'T", "'re", "'RE", "'Re", "'ve", "'m", "'M", "'ll", "'LL", "'d", "'x"]
PROSE = [
    "Hello world", "Hello, world!", "Which shape is it?", "the circle", "How many red squares are there?", "a", "",
    "1234567890", "0123456789", "3.14159265358979", "the year 2024 had 365 days", "price: $19.99, quantity: 42",
    "def add(a, b):\n    return a + b\n", 'if (x == 42) { print("hi"); }', "HTTPRequestHandler", "I've got it, don't.",
    "你好世界", "你好，世界！", "北京市海淀区", "русский текст с числами 123", "こんにちは世界", "안녕하세요 세계",
    "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "ไทย", "Ελληνικά", "Tiếng Việt", "Mixed混合Text文字", "emoji test 😀🎉🚀",
    "👩‍💻👨‍👩‍👧‍👦🏳️‍🌈", "emoji😀letterRun日本語", "café résumé naïve", "cafe\u0301 re\u0301sume\u0301", "ﬁ ﬆ ß", "½½½½ ²³ ⅷ ٣٣٣٣ ९९९९",
    "a\u00a0\u00a0b", "x  \n\n  y", "\r\n\r\n", "\r\r\n\n", " \r\n ", "a\r\nb\rc\nd", "\n", "\n\n\n", "   \t\n   ", "\tindented\twith\ttabs",
    "   leading", "trailing   ", "multiple   internal    spaces", "\0", "a\0b", "\0\0\0", "Ġ Ċ Â ĠĠ", "\ufffd", "\U0010ffff", "\U000e0041",
    "!" * 40, "a" * 300, " " * 300, "\n" * 70, "<" * 20, "ab" * 200, "- - - - -", "......", "https://example.org/a?b=c#d",
    "\U00031350\u1c89\U0001ccf5 \U000105c0\U0002ebf0", "\u180ea \u180e b",
]


def added_contents(document):
    return [token["content"] for token in document["added_tokens"]]


def fixed_texts(document):
    """ASCII one by one, every byte value, blanks, contractions, added tokens in all sorts of company, prose."""
    texts = list(PROSE)
    texts += [chr(c) for c in range(256)]
    texts += ["".join(chr(c) for c in range(128)), "".join(chr(c) for c in range(128, 0x180))]
    texts += ["\u20ac\U00010000"[i] + chr(0x800 + 61 * k) + chr(0x10000 + 4099 * k) for k in range(20) for i in (0, 1)]
    texts += [f"a{b}b" for b in BLANKS] + [f"a {b}{b} b{b}" for b in BLANKS] + [f"{b}\n{b}" for b in BLANKS]
    texts += [f"DON{c}" for c in CONTRACTIONS] + [f"{c}x" for c in CONTRACTIONS] + [f" {c} 1{c}" for c in CONTRACTIONS]
    for token in added_contents(document):
        texts += [token, f"x{token}y", f" {token} ", f"{token}{token}", token[:-1], token[1:], f"\n{token}\n\n"]
    texts += ["[gMASK]<sop><|user|>\nHello<|assistant|>\n<think></think>\n", "<|user|>\n\n\nHi/nothink<|assistant|>\n",
              "<|begin_of_image|><|image|><|image|><|end_of_image|>Describe.", "<<think>>", "</think></think", "<|user<|user|>|>"]
    return texts


def random_scalar(rng):
    kind = rng.random()
    if kind < 0.3:
        return chr(rng.randrange(128))
    while True:
        c = rng.randrange(0x800 if kind < 0.45 else 0x10000 if kind < 0.8 else 0x110000)
        if not 0xD800 <= c <= 0xDFFF:
            return chr(c)


def random_text(rng, added):
    odd = list("'sſtﬆ0९٣²½ⅷé你😀<|>/") + BLANKS + CONTRACTIONS + ["e\u0301", "\r\n", "\u200d", "K"]
    parts = []
    for _ in range(rng.choice([1, 2, 3, 5, 9, 20, 60])):
        kind = rng.random()
        if kind < 0.3:
            parts.append(random_scalar(rng))
        elif kind < 0.55:
            parts.append(rng.choice(odd))
        elif kind < 0.75:
            parts.append(rng.choice(PROSE)[:12])
        elif kind < 0.85:
            parts.append(rng.choice(added))
        else:
            parts.append(rng.choice(" \n\r\ta1é<") * rng.choice([1, 1, 2, 3, 4, 7, 30]))
    return "".join(parts)


def random_ids(rng, size):
    """Half of them single-byte tokens, so that most sequences are broken UTF-8; a few outside the vocabulary."""
    return [rng.randrange(size + 3 if rng.random() < 0.5 else 256) for _ in range(rng.randrange(1, 24))]


def encoded(tokenizer, texts):
    return [[text, tokenizer.encode(text, add_special_tokens=False).ids] for text in texts]


def decoded(tokenizer, id_lists):
    return [[ids, skip, tokenizer.decode(ids, skip_special_tokens=skip)] for ids, skip in id_lists]


def add(document, content, number, **flags):
    entry = {"id": number, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": False}
    document["added_tokens"].append({**entry, **flags})


def variants(tiny):
    """(name, document, texts, ids): what one published file does not show."""
    size = len(tiny["model"]["vocab"]) + len(tiny["added_tokens"])
    words = ["the circle", " the", "Which triangles", "aaaa", "there there", "diamonds", "WhichWhich"]

    merging = copy.deepcopy(tiny)
    merging["model"]["ignore_merges"] = False
    yield "ignore_merges off", merging, words, []

    strings = copy.deepcopy(tiny)
    strings["model"]["merges"] = ["#version: 0.2"] + [" ".join(pair) for pair in tiny["model"]["merges"]]
    yield "merges as strings", strings, words, []

    repeated = copy.deepcopy(merging)  # the later rank of a repeated merge counts
    repeated["model"]["merges"] += tiny["model"]["merges"][:20]
    yield "repeated merges", repeated, words, []

    backwards = copy.deepcopy(merging)  # rank is the place in the list, not the id
    backwards["model"]["merges"].reverse()
    yield "merges backwards", backwards, words, []

    normalized = copy.deepcopy(tiny)  # looked for only in what the other added tokens leave over
    add(normalized, "NORM", size, normalized=True)
    add(normalized, "RMX", size + 1)
    add(normalized, "RMXY", size + 2)
    yield "normalized added tokens", normalized, ["NORMX NORM", "RMXYZ", "NORMNORMXY"], []

    odd = copy.deepcopy(tiny)  # decoding goes through the byte alphabet for added tokens too
    for k, content in enumerate(["Ġfoo", "你", "a b", "xé你", "xé"]):
        add(odd, content, size + k)
    yield "added tokens and the byte alphabet", odd, ["Ġfoo你a bxé你xéa"], [[size + k] for k in range(5)] + [[size + 4, 64]]


def classes():
    """Ranges of code points, from the pre-tokenizer itself."""
    everything = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF)
    result = {}
    for name in (r"\p{L}", r"\p{N}", r"\s"):
        ranges = []
        for text, _ in pre_tokenizers.Split(Regex(name + "+"), "removed", invert=True).pre_tokenize_str(everything):
            for c in map(ord, text):
                if ranges and ranges[-1][1] == c - 1:
                    ranges[-1][1] = c
                else:
                    ranges.append([c, c])
        result[name] = ranges
    return result


def make_golden():
    raw = TINY.read_bytes()
    tiny = json.loads(raw)
    rng = random.Random(45)
    tokenizer = Tokenizer.from_str(raw.decode())
    texts = fixed_texts(tiny) + [random_text(rng, added_contents(tiny)) for _ in range(200)]
    id_lists = [(random_ids(rng, tokenizer.get_vocab_size()), k % 2 == 0) for k in range(200)]
    golden = {
        "tokenizers": tokenizers.__version__,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "encode": encoded(tokenizer, texts),
        "decode": decoded(tokenizer, id_lists),
        "variants": [],
        "classes": classes(),
    }
    for name, document, words, ids in variants(tiny):
        other = Tokenizer.from_str(json.dumps(document))
        patch = {key: document[key] for key in ("added_tokens",) if document[key] != tiny[key]}
        model = {key: value for key, value in document["model"].items() if value != tiny["model"][key]}
        golden["variants"].append({"name": name, "patch": {**patch, **({"model": model} if model else {})},
                                   "encode": encoded(other, words), "decode": decoded(other, [(i, False) for i in ids])})
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items())
    (HERE / "golden.json").write_text("{" + lines + "}\n")
    print(len(golden["encode"]), "encodings,", len(golden["decode"]), "decodings,", len(golden["variants"]), "variants")
    return 0


def fuzz(count, driver, path):
    tokenizer = Tokenizer.from_file(path)
    rng = random.Random(20000)
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    texts = [random_text(rng, added) for _ in range(count)]
    id_lists = [(random_ids(rng, tokenizer.get_vocab_size()), rng.random() < 0.5) for _ in range(count)]
    lines = [json.dumps({"t": text}) for text in texts] + [json.dumps({"i": i, "s": s}) for i, s in id_lists]
    run = subprocess.run([driver, path], input="\n".join(lines) + "\n", stdout=subprocess.PIPE, text=True, check=True)
    found = [json.loads(line) for line in run.stdout.split("\n") if line]
    expected = [ids for _, ids in encoded(tokenizer, texts)] + [text for *_, text in decoded(tokenizer, id_lists)]
    wrong = [k for k, value in enumerate(expected) if k >= len(found) or found[k] != value]
    for k in wrong[:5]:
        print(lines[k], "\n  library", expected[k], "\n  driver ", found[k] if k < len(found) else "nothing")
    print(f"{count} encodings and {count} decodings compared, {len(wrong)} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) > 3 and sys.argv[1] == "--fuzz":
        sys.exit(fuzz(int(sys.argv[2]), sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else str(TINY)))
    sys.exit(make_golden())
