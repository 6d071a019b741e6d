"""Makes golden.json: what transformers' logits processors do to scores, and which token a uniform draw then picks.

    python make_sampling_golden.py [--check]

A case is a row of logits (multiples of 1/64 or bf16 values, so that JSON holds them exactly), ids that were there
before, parameters, and the library's processors in the order in which its own generate() puts them. `kept` are the ids
with a finite score, `scores` their scores, `chosen` the token that each draw picks: the first id up to which the
library's f32 softmax, summed in f64, exceeds draw * sum. Draws nearer than 1e-6 to a boundary are drawn again, and cases
in which a sum of probabilities or a min-p ratio lies within 1e-6 of its limit, or top-p cuts between equal scores, are
made anew: there rounding decides, or the order in which torch sorts what is equal.
"""

import argparse
import json
import random
import sys
from pathlib import Path

import torch
import transformers
from transformers import GenerationConfig, GenerationMixin

HERE = Path(__file__).parent
MARGIN = 1e-6
DRAWS = 12
SEEDS = (0, 1, 7, 4294967295)


class Owner(GenerationMixin):
    """As much of a model as the library asks for when it lists the processors."""

    def __init__(self):
        self.config = type("Config", (), {"is_encoder_decoder": False})()


def processors(settings, prompt_length):
    config = GenerationConfig(do_sample=settings["temperature"] > 0, top_k=settings["top_k"], top_p=settings["top_p"],
                              min_p=settings["min_p"] or None, repetition_penalty=settings["repetition_penalty"],
                              temperature=settings["temperature"] or None)
    return Owner()._get_logits_processor(config, prompt_length, device="cpu")


def near_a_limit(found, ids, logits):
    """Would another rounding of exp or of a sum change what is kept?"""
    scores = logits
    for one in found:
        name = type(one).__name__
        if name == "TopPLogitsWarper":
            sums = torch.sort(scores.double())[0].softmax(-1).cumsum(-1)
            if (sums - (1 - one.top_p)).abs().min() < MARGIN:
                return True
        if name == "MinPLogitsWarper":
            share = scores.double().softmax(-1)
            ratio = share / share.max()
            if (ratio - one.min_p).abs().min() < MARGIN:
                return True
        before, scores = scores, one(ids, scores)
        if name == "TopPLogitsWarper":
            gone = torch.isfinite(before) & ~torch.isfinite(scores)
            if (before[gone] == scores[torch.isfinite(scores)].min()).any():  # the order of a sort that is not stable
                return True
    return False


def draws(rng, scores):
    """(uniform draw, id) pairs, none near a boundary."""
    share = torch.softmax(scores, -1)[0].double()
    ends = share.cumsum(0)
    out = []
    while len(out) < DRAWS:
        u = rng.random() if len(out) > 1 else (0.0, 1 - 2.0 ** -20)[len(out)]
        at = u * ends[-1]
        if 0 < len(out) - 1 and (ends - at).abs().min() < MARGIN:
            continue
        out.append((u, int(torch.searchsorted(ends, at, right=True).clamp(max=int(share.nonzero().max())))))
    return out


def row(rng, kind, size):
    if kind == "bf16":  # many equal scores
        return torch.randn(size, generator=torch.Generator().manual_seed(rng.randrange(1 << 30))).mul(3).bfloat16().float()
    if kind == "ties":
        return torch.tensor([rng.randrange(-20, 21) / 4 for _ in range(size)])
    return torch.tensor([rng.randrange(-640, 640) / 64 for _ in range(size)])


def case(rng, name, kind, size, settings):
    while True:
        logits = row(rng, kind, size)[None]
        ids = torch.tensor([[rng.randrange(size) for _ in range(rng.randrange(1, 9))]])
        found = processors(settings, ids.shape[1])
        if not near_a_limit(found, ids, logits):
            break
    scores = found(ids, logits.clone())
    kept = torch.isfinite(scores[0]).nonzero()[:, 0].tolist()
    out = {"name": name, "settings": settings, "logits": logits[0].tolist(), "previous": ids[0].tolist(),
           "processors": [type(one).__name__ for one in found], "kept": kept,
           "scores": [scores[0, i].item() for i in kept]}
    if settings["temperature"] > 0:
        out["draws"], out["chosen"] = map(list, zip(*draws(rng, scores)))
    else:
        out["argmax"] = int(scores[0].argmax())
    return out


def random_settings(rng):
    return {"temperature": rng.choice((0.0, 0.1, 0.5, 0.8, 1.0, 1.0, 1.7)), "top_k": rng.choice((0, 0, 1, 2, 5, 40, 500)),
            "top_p": rng.choice((1.0, 1.0, 0.95, 0.6, 0.3, 1e-4, 1e-5)), "min_p": rng.choice((0.0, 0.0, 0.05, 0.3, 0.9)),
            "repetition_penalty": rng.choice((1.0, 1.0, 1.1, 1.5, 0.7))}


PUBLISHED = [
    ("GLM-4.5V generation_config", {"temperature": 1.0, "top_k": 1, "top_p": 0.0001, "min_p": 0.0, "repetition_penalty": 1.0}),
    ("GLM-4.6V model card", {"temperature": 0.8, "top_k": 2, "top_p": 0.6, "min_p": 0.0, "repetition_penalty": 1.1}),
    ("GLM-V command line", {"temperature": 1.0, "top_k": 1, "top_p": 1e-5, "min_p": 0.0, "repetition_penalty": 1.1}),
    ("GLM-V desktop", {"temperature": 0.3, "top_k": 2, "top_p": 0.6, "min_p": 0.0, "repetition_penalty": 1.1}),
    ("GLM-V agents", {"temperature": 0.001, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}),
    ("GLM-4.1V bench", {"temperature": 0.1, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}),
]


def make():
    rng = random.Random("sampling")
    cases = [case(rng, f"{name}, {kind}", kind, 61, settings) for name, settings in PUBLISHED for kind in ("fine", "ties")]
    while len(cases) < 100:
        settings = random_settings(rng)
        if settings["temperature"] == 0:
            settings |= {"top_k": 0, "top_p": 1.0, "min_p": 0.0}
        kind = rng.choice(("fine", "bf16", "ties"))
        cases.append(case(rng, f"random {len(cases)}, {kind}", kind, rng.choice((3, 17, 61, 97)), settings))
    uniform = {}
    for seed in SEEDS:
        torch.manual_seed(seed)
        uniform[str(seed)] = torch.rand(6, dtype=torch.float64).tolist()
    return {"transformers": transformers.__version__, "torch": torch.__version__, "uniform": uniform, "cases": cases}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with golden.json instead of writing it")
    args = parser.parse_args()
    torch.set_num_threads(1)
    made = make()
    text = "{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in made.items() if k != "cases")
    text += ',\n "cases": [\n  ' + ",\n  ".join(map(json.dumps, made["cases"])) + "\n ]\n}\n"
    path = HERE / "golden.json"
    if args.check:
        same = path.read_text() == text
        print(f"{len(made['cases'])} cases, {'the same' if same else 'not the same'}")
        return 0 if same else 1
    path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
