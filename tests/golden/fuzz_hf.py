"""Random small models: does glmv agree with the Hugging Face model on every trace point?

    python fuzz_hf.py --glmv build/glmv --n 50 --seed 1 [--dtype bf16]
    python fuzz_hf.py --glmv build/glmv --attention sdpa --experts grouped_mm --threads 2     another way to run it
    python fuzz_hf.py --glmv build/glmv --seed 1 --only 17 --keep DIR     one case again, files kept

Every case is a fresh random configuration (both families, both config layouts) with a prompt of text, pictures
and clips, prefilled in one or more pieces. The library's trace goes to a file; `glmv crosscheck --model DIR
--against FILE` must exit with 0, or with 4 where a row cannot be judged (printed as "part"). Needs the packages of
requirements.txt.
"""

import json
import random
import subprocess
import tempfile
from pathlib import Path

from oracle import settings

settings.pin_cpu()

import torch  # noqa: E402

from oracle import configs, floors, fuzzing, prompts, random_cases, runs, tensorfile, weights  # noqa: E402

TIMEOUT_SECONDS = 300

# By exit code: all within noise; nothing departs, but in some rows legal runs are as far apart as the row is large.
WORD = {0: "ok  ", 4: "part"}


def mode_of(args):
    """The way to run the library that the flags ask for; what they leave open is as in the goldens."""
    golden = runs.GOLDEN[args.dtype]
    return runs.Mode(args.dtype, args.attention or golden.attention, args.experts or golden.experts)


def make_case(folder, key, mode):
    """Write DIR/config.json, DIR/model.safetensors and DIR/trace.safetensors beside DIR; returns one line about it."""
    rng = random.Random(key)
    config = random_cases.config(rng)
    case = random_cases.case(rng, key, lambda parts: len(prompts.token_ids(config, parts, key, configs.TEXT_TOKENS)))
    inputs = prompts.build(config, case.parts, key, configs.TEXT_TOKENS)
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    (model_folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights.write_random(model_folder / "model.safetensors", config, key)
    points = runs.run_case(runs.load(model_folder, config, mode), case, inputs)
    if mode.dtype == "bf16":
        legal = [runs.GOLDEN["bf16"], *runs.others(config)]
        others = [runs.load(model_folder, config, other) for other in legal if other != mode]
        points |= floors.measure(others, case, inputs, points)
    header = runs.metadata(mode, model_sha256=tensorfile.model_sha256(model_folder), seed=key,
                           case=case.name, chunks=json.dumps(case.chunks), steps=case.steps)
    tensorfile.write(folder / "trace.safetensors", points, header)
    return describe(config, case, inputs)


def describe(config, case, inputs):
    """What is special about a case, in one line."""
    text, vision = config["text_config"], config["vision_config"]
    words = [config["model_type"], "rope_" + ("scaling" if "rope_scaling" in text else "parameters"),
             f"layers {text['num_hidden_layers']}", f"heads {text['num_attention_heads']}/{text['num_key_value_heads']}"]
    if "n_routed_experts" in text:
        words += [f"experts {text['num_experts_per_tok']}/{text['n_routed_experts']}",
                  f"groups {text['topk_group']}/{text['n_group']}"]
    words += [f"patch {vision['patch_size']}", f"table {vision['image_size'] // vision['patch_size']}",
              f"tokens {len(inputs['input_ids'])}"]
    for kind in ("image", "video"):
        if f"{kind}_grid_thw" in inputs:
            words.append(f"{kind}s " + " ".join("x".join(map(str, grid)) for grid in inputs[f"{kind}_grid_thw"].tolist()))
    return ", ".join(words + [f"pieces {max(1, len(case.chunks))}", f"steps {case.steps}"])


def flags_of(args):
    """The flags that make a case again."""
    given = [("--dtype", args.dtype), ("--attention", args.attention), ("--experts", args.experts),
             ("--threads", args.threads)]
    words = tuple(str(word) for flag, value in given if value for word in (flag, value))
    return words + (("--isolate",) if args.isolate else ())


def crosscheck(args, folder):
    """Run glmv; returns (exit code or None on timeout, its output)."""
    command = [args.glmv, "crosscheck", "--model", str(folder / "model"),
               "--against", str(folder / "trace.safetensors"), "--dtype", args.dtype]
    command += ["--isolate"] if args.isolate else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired as error:
        return None, f"no answer in {TIMEOUT_SECONDS} s\n{error.stdout or ''}"
    return done.returncode, done.stdout + done.stderr


def one(args, index):
    """Make and check one case; True if glmv agrees."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.keep or temporary) / f"case{index}"
        line = make_case(folder, f"{args.seed}/{index}", mode_of(args))
        code, output = crosscheck(args, folder)
    agrees = code in WORD
    print(f"{WORD.get(code, 'FAIL')} {index}: {line}", flush=True)
    if not agrees:
        fuzzing.say_failure(args, index, f"exit {code}\n{output.rstrip()}", flags_of(args))
    return agrees


def main():
    parser = fuzzing.parser(__doc__, 50)
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--attention", choices=("eager", "sdpa"), help="as in the goldens (eager) if not given")
    parser.add_argument("--experts", choices=("eager", "grouped_mm"),
                        help="as in the goldens (eager in f32, grouped_mm in bf16) if not given")
    parser.add_argument("--threads", type=int, default=1, help="of torch; more may sum in another order")
    parser.add_argument("--isolate", action="store_true", help="also: no layer may be blamed")
    args = parser.parse_args()
    settings.pin_torch()
    torch.set_num_threads(args.threads)
    fuzzing.run(args, lambda index: one(args, index), "cases", ", " + " ".join(flags_of(args)))


if __name__ == "__main__":
    main()
