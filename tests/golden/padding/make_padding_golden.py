"""Makes golden.safetensors: where the library pads prompts on the left, and where positions lie beyond 60,000.

    python make_padding_golden.py [--check]

For the goldens' models moe_a and dense_a, f32, text only. `MODEL/I/ids` is a prompt; `.../padded` and `.../alone` are
the logits [steps, V] of generate() for it in a left-padded batch of all prompts and by itself, `.../tokens` the greedy
tokens, which are the same. `MODEL/far/ids` is a prompt whose first token stands at position FAR on all axes (forward()
with position_ids), `MODEL/far/logits` [T, V] what comes out. `long/logits` [3, V]: the last rows of LONG tokens, each seen
by the next, of the model in long/ (sdpa attention, random weights, which the script writes too); token i is
(7 i i + 3 i) mod 80.
"""

import argparse
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from oracle import settings  # noqa: E402

settings.pin_cpu()

import torch  # noqa: E402
from oracle import runs, tensorfile, weights  # noqa: E402

HERE = Path(__file__).parent
LENGTHS, STEPS, FAR, FAR_LENGTH = (4, 17, 9), 5, 61234, 12
LONG, LONG_ROWS = 60052, 3
PAD = 80


def greedy(model, ids, mask):
    out = model.generate(input_ids=ids, attention_mask=mask, mm_token_type_ids=torch.zeros_like(ids), do_sample=False,
                         max_new_tokens=STEPS, min_new_tokens=STEPS, output_logits=True, return_dict_in_generate=True,
                         pad_token_id=PAD)
    return torch.stack(out.logits, 1), out.sequences[:, ids.shape[1]:]


@torch.no_grad()
def points_of(name):
    folder = HERE.parent / name
    model = runs.load(folder, json.loads((folder / "config.json").read_text()), runs.GOLDEN["f32"])
    rng = random.Random(name)
    prompts = [[rng.randrange(80) for _ in range(n)] for n in LENGTHS]
    longest = max(LENGTHS)
    ids = torch.tensor([[PAD] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    padded, tokens = greedy(model, ids, mask)
    points = {}
    for i, prompt in enumerate(prompts):
        one = torch.tensor([prompt])
        alone, same = greedy(model, one, torch.ones_like(one))
        assert same[0].tolist() == tokens[i].tolist(), (name, i)
        points |= {f"{name}/{i}/ids": one[0], f"{name}/{i}/padded": padded[i], f"{name}/{i}/alone": alone[0],
                   f"{name}/{i}/tokens": tokens[i]}
    far = torch.tensor([[rng.randrange(80) for _ in range(FAR_LENGTH)]])
    where = (FAR + torch.arange(FAR_LENGTH)).expand(3, 1, FAR_LENGTH)
    logits = model(input_ids=far, position_ids=where, use_cache=False).logits[0]
    return points | {f"{name}/far/ids": far[0], f"{name}/far/logits": logits}


@torch.no_grad()
def long_points():
    folder = HERE / "long"
    config = json.loads((folder / "config.json").read_text())
    weights.write_random(folder / "model.safetensors", config, "long")
    model = runs.load(folder, config, runs.Mode("f32", "sdpa", "eager"))
    ids = torch.tensor([[(7 * i * i + 3 * i) % 80 for i in range(LONG)]])
    return {"long/logits": model(input_ids=ids, use_cache=False, logits_to_keep=LONG_ROWS).logits[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with golden.safetensors instead of writing it")
    args = parser.parse_args()
    settings.pin_torch()
    points = points_of("moe_a") | points_of("dense_a") | long_points()
    header = {"producer": "transformers", "versions": json.dumps(settings.versions()), "far": str(FAR)}
    path = HERE / ("again.safetensors" if args.check else "golden.safetensors")
    tensorfile.write(path, {name: value.contiguous() for name, value in points.items()}, header)
    if not args.check:
        return 0
    same = path.read_bytes() == (HERE / "golden.safetensors").read_bytes()
    path.unlink()
    print(f"{len(points)} tensors, {'the same' if same else 'not the same'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
