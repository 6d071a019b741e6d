#!/usr/bin/env python3
"""The text functions of eval/ against CPython itself, on random inputs and over all code points.

  tests/eval/compare_python.py --probe build/release/eval_score_probe [--n 3000] [--seed 1]
      calls the probe with tens of thousands of inputs; exit code 1 and the first differences if one is answered
      otherwise than CPython answers
  tests/eval/compare_python.py --fixture tests/eval/python_cases.jsonl --n 40
      writes inputs with CPython's answers, for machines without Python
"""
import argparse
import ast
import difflib
import json
import random
import re
import subprocess
import sys
import unicodedata
import warnings
from collections import Counter

warnings.simplefilter("ignore")

MARKS = list("\t\n\r\x0b\x0c\x1c\x1f \x85\xa0\u1680\u2003\u2028\u202f\u205f\u3000\u200b\ufeff"
             "ßŉﬁΣσςİıKſẞǅΐ½²٣５Ａａ.Ωé答案是B选—–°π√∞'\"\\$")
PLAIN = "ABCDEabcxyz 0123456789.,()[]{}:;!?-+*/_%'\"\\\n=^~"
PATTERNS = [r"\s+", r"\S+", r"\d+", r"\w+", r"\b\w", r"\b([A-E])\b", r"[A-F]", r"[^a-z]", r"i", r"[a-k]+", r"$", r".+$",
            r"^", r".", r"answer\s+is", r"[\s.]+", r"x*", r"\Z", r"(?<!\d)\.(?!\d)", r"[-+]?\d*\.?\d+",
            r"(?<!['\w])(\w[^,]*?)(?!['\w])", r"\W", r"[\d,]+", r"\D", r"[[\]]"]
NUMBERS = ["1_0", "1__0", "_1", ".5", "5.", "1e400", "inf", "Infinity", "nan", "NAN", "1e", "e5", "0x10", "１２.５", "٣٤",
           "1,000", "½", "-0", "007", "1_0.0_1e1_0", "2.675", "0.125"]
HARD = [2.675, 0.125, 1.005, -0.001, 0.5, 1.5, 2.5, 1e16, 1e-5, 1e-4, 9999999999999998.0, 5e-324, 1.7e308, 0.0625, 0.3125]


def unassigned(c):
    """The libraries here know a later Unicode than CPython 3.11, which calls its newcomers unassigned."""
    return unicodedata.category(c) == "Cn"


class Maker:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def character(self):
        r = self.rng.random()
        if r < .45:
            return self.rng.choice(PLAIN)
        if r < .8:
            return self.rng.choice(MARKS)
        while True:
            c = chr(self.rng.choice([self.rng.randrange(0x20, 0x250), self.rng.randrange(0x250, 0x3000),
                                     self.rng.randrange(0x3000, 0xd800), self.rng.randrange(0xe000, 0x110000)]))
            if not unassigned(c):
                return c

    def text(self, n=12):
        return "".join(self.character() for _ in range(self.rng.randrange(n)))

    def number(self):
        c = self.rng.choice
        digits = str(self.rng.randrange(10 ** self.rng.randrange(1, 25)))
        body = c([digits, "%.*f" % (self.rng.randrange(6), self.rng.uniform(-1e3, 1e3)), repr(self.real()), c(NUMBERS)])
        return c(["", "-", "+", "  ", "\u3000"]) + body + c(["", "", "", "e5", "_", "%", " ", "\n", "E-3"])

    def real(self):
        r = self.rng
        return r.choice([r.uniform(-10, 10), r.randrange(-2000, 2000) / 8, r.randrange(10 ** 6) / 1000,
                         r.uniform(-1, 1) * 10 ** r.randrange(-320, 308), r.choice(HARD)])

    def literal(self, level=0):
        r, c = self.rng.random(), self.rng.choice
        if level > 3 or r < .25:
            return c([str(self.rng.randrange(-50, 1000)), repr(self.rng.uniform(-5, 5)), "True", "None", ".5", "1e3",
                      "1_000", "-3", "--1", "007", "00", "a", "null", "+2", "-True"])
        if r < .5:
            return c([repr(self.text(6)), '"%s"' % self.text(4), "'it\\'s'", "'a' 'b'", "r'\\d'", '"""x"""',
                      "'\\x41\\u00e9'", "u'x'", "'\\q'", "''", "'open"])
        inside = c([", ", ",", " , "]).join(self.literal(level + 1) for _ in range(self.rng.randrange(4)))
        if r < .7:
            return "[" + inside + c(["", ",", ""]) + "]"
        if r < .85:
            return "(" + inside + c(["", ",", ""]) + ")"
        keys = [repr(self.text(3)) + ": " + self.literal(level + 1) for _ in range(self.rng.randrange(3))]
        return "{" + ", ".join(keys) + "}"

    def arithmetic(self, level=0):
        r, c = self.rng.random(), self.rng.choice
        if level > 3 or r < .35:
            return c([str(self.rng.randrange(20)), "%.2f" % self.rng.uniform(0, 9), ".5", "2.", "1e2", "007", "x"])
        if r < .5:
            return "(" + self.arithmetic(level + 1) + ")"
        if r < .6:
            return c("-+~") + self.arithmetic(level + 1)
        sign = c(["+", "-", "*", "/", "**", "^", "%", "//", "|", "&", "<<", ">>", " + ", " * "])
        return self.arithmetic(level + 1) + sign + self.arithmetic(level + 1)


def answer(function):
    """What CPython answers; None where it raises."""
    try:
        return function()
    except (Exception, RecursionError):
        return None


def literal_repr(text):
    def known(v):
        if isinstance(v, (set, bytes, complex)):
            raise ValueError
        for part in v if isinstance(v, (list, tuple)) else [x for item in v.items() for x in item] if isinstance(v, dict) else []:
            known(part)
    v = ast.literal_eval(text)
    known(v)
    return repr(v)


def evaluated(text):
    v = eval(compile(ast.parse(text.strip(" \t"), mode="eval"), "", "eval"), {"__builtins__": {}})
    if isinstance(v, complex):
        raise ValueError
    return repr(v)


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def subsequence(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        last = 0
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], last + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]


def random_cases(m, n):
    for _ in range(n):
        t, c, s, x = m.text(), m.text(3) or "'", m.number(), m.real()
        for name, f in [("lower", str.lower), ("upper", str.upper), ("isupper", str.isupper), ("strip", str.strip),
                        ("len", len), ("split", str.split)]:
            yield "py:" + name, {"t": t}, answer(lambda: f(t))
        yield "py:strip_of", {"t": t, "c": c}, t.strip(c)
        yield "py:float", {"t": s}, answer(lambda: repr(float(s)))
        yield "py:int", {"t": s}, answer(lambda: str(int(s)))
        d = m.rng.choice([-3, -2, -1, 0, 1, 2, 3, 5, 20])
        yield "py:round", {"t": repr(x), "n": d}, repr(round(x, d))
        yield "py:fixed", {"t": repr(x), "n": abs(d)}, f"{x:.{abs(d)}f}"
        yield "py:repr", {"t": repr(x)}, repr(x)
        yield "py:int_of_float", {"t": repr(x)}, str(int(x))
        text = m.literal()
        if m.rng.random() < .2:
            text = text[:m.rng.randrange(len(text) + 1)] + m.rng.choice(["", " ", "\n", "#c", ","])
        yield "py:literal", {"t": text}, answer(lambda: literal_repr(text))
        sum_text = m.arithmetic()
        if sum_text.count("**") < 2 and sum_text.count("<<") < 2:
            yield "py:eval", {"t": sum_text}, answer(lambda: evaluated(sum_text))
        p, f = m.rng.choice(PATTERNS), m.rng.choice([0, 1, 2, 4, 3])
        flags = (re.I if f & 1 else 0) | (re.S if f & 2 else 0) | (re.M if f & 4 else 0)
        yield "py:findall", {"t": t, "p": p, "f": f}, [[x.group(), x.start()] for x in re.finditer(p, t, flags)]
        yield "py:fullmatch", {"t": t, "p": p, "f": f}, bool(re.fullmatch(p, t, flags))
        u = m.rng.choice([m.text(), t[1:] + "x", t * 3, m.text(90)])
        yield "py:edit_distance", {"t": t, "u": u}, distance(t, u)
        yield "py:common_subsequence", {"t": t, "u": u}, subsequence(t, u)
        a, b = m.rng.choice([(t, u), (m.text(300), m.text(300)), ((t + "ab ") * 20, (u + "ba ") * 20)])
        yield "sequence_matcher_ratio", {"a": a, "b": b}, difflib.SequenceMatcher(None, a, b).ratio()


def code_points():
    for n in range(0x110000):
        c = chr(n)
        if 0xd800 <= n < 0xe000 or unassigned(c):
            continue
        if c.lower() != c or c.upper() != c or c.isupper() or n < 0x3100 or n % 61 == 0:
            for name, f in [("lower", str.lower), ("upper", str.upper), ("isupper", str.isupper), ("strip", str.strip)]:
                yield "py:" + name, {"t": c}, f(c)
            yield "py:lower", {"t": "a" + c + "Σ" + c}, ("a" + c + "Σ" + c).lower()
            yield "py:int", {"t": c}, answer(lambda: str(int(c)))
            yield "py:findall", {"t": "a" + c + "1", "p": r"\b\w+\b|\s|\d", "f": 0}, \
                [[x.group(), x.start()] for x in re.finditer(r"\b\w+\b|\s|\d", "a" + c + "1")]


def same(case_id, want, got):
    if case_id in ("py:eval", "sequence_matcher_ratio") and want is not None and got is not None:
        return want == got or float(want) == float(got)  # integers beyond 64 bits are doubles here
    return want == got


def compare(cases, probe):
    lines = "".join(json.dumps({"id": i, "input": x}) + "\n" for i, x, _ in cases)
    out = subprocess.run([probe], input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")[:-1]
    if len(out) != len(cases):
        sys.exit(f"{len(cases)} calls, {len(out)} answers")
    wrong = Counter()
    for (i, x, want), line in zip(cases, out):
        got = json.loads(line)
        if "error" in got or not same(i, want, got["result"]):
            wrong[i] += 1
            if wrong[i] <= 3:
                print(f"{i} {json.dumps(x, ensure_ascii=False)}: CPython {want!r}, here {got}", file=sys.stderr)
    print(f"{len(cases)} calls compared with CPython {sys.version.split()[0]}, {sum(wrong.values())} differ {dict(wrong) or ''}")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe")
    parser.add_argument("--fixture")
    parser.add_argument("--n", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    cases = list(random_cases(Maker(args.seed), args.n))
    if args.fixture:
        with open(args.fixture, "w", encoding="utf-8") as f:
            for i, x, want in cases:
                f.write(json.dumps({"id": i, "input": x, "output": want}) + "\n")
    if args.probe:
        sys.exit(compare(cases + list(code_points()), args.probe))


if __name__ == "__main__":
    main()
