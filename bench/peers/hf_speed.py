"""How fast is glmv next to Hugging Face transformers, on the same machine, model, prompt and thread count?

    python hf_speed.py --glmv build/glmv [--threads 2] [--repeats 5] [--work DIR] [--json]

Makes once a random GLM-shaped MoE model of 300 million parameters and a prompt of 1,000 tokens with a picture of
1,000 patches. Then it starts, in turn, one process of each side and times three things:

    vision    the tower on 1,000 patches
    prefill   the decoder on 1,000 tokens, last row of logits (the tower not counted)
    decode    the 63 steps that make tokens 2 to 64

Both run once untimed before. transformers runs in f32 with sdpa attention and grouped_mm experts; glmv is asked for f32.
Both must choose the same 64 tokens, or the exit code is 1. Needs the packages of tests/golden/requirements.txt.
"""

import argparse
import datetime
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "golden"))

from oracle import settings  # noqa: E402

TOKENS, NEW_TOKENS, SEED = 1000, 64, 1
PHASES = ("vision_ns", "prefill_ns", "decode_ns")


def model_config():
    """12 query heads per key head, query width 1.5 times the hidden size, 4 of 16 experts and a shared one."""
    from oracle import configs

    return configs.model_config(
        "glm4v_moe", "new", rope={"theta": 10000.0, "sections": (4, 6, 6), "partial": 0.5},
        text={"vocab_size": 8192, "hidden_size": 1024, "num_hidden_layers": 12, "num_attention_heads": 24,
              "num_key_value_heads": 2, "head_dim": 64, "intermediate_size": 2736, "moe_intermediate_size": 352,
              "n_routed_experts": 16, "num_experts_per_tok": 4, "n_shared_experts": 1, "n_group": 1, "topk_group": 1,
              "norm_topk_prob": True, "routed_scaling_factor": 1.0, "first_k_dense_replace": 1},
        vision={"depth": 8, "hidden_size": 512, "num_heads": 4, "intermediate_size": 2736, "image_size": 336,
                "patch_size": 14})


def prepare(work):
    """A process of its own: DIR/model and DIR/inputs.safetensors, made if not there; prints the number of parameters."""
    settings.pin_cpu()
    from oracle import configs, prompts, runs, tensorfile, weights

    settings.pin_torch()

    config, folder = model_config(), work / "model"
    text = json.dumps(config, indent=2) + "\n"
    if not (folder / "config.json").exists() or (folder / "config.json").read_text() != text:
        folder.mkdir(parents=True, exist_ok=True)
        weights.write_random(folder / "model.safetensors", config, SEED)
        picture = prompts.Picture(20, 50)
        words = TOKENS - 20 * 50 // 4 - 2
        parts = (prompts.Text(words // 2), picture, prompts.Text(words - words // 2))
        inputs = prompts.build(config, parts, "speed", configs.TEXT_TOKENS)
        header = runs.metadata(runs.Mode("f32", "sdpa", "grouped_mm"), model_sha256=tensorfile.model_sha256(folder))
        tensorfile.write(work / "inputs.safetensors", inputs, header)
        (folder / "config.json").write_text(text)  # last: it says that the rest is complete
    print(json.dumps(sum(math.prod(shape) for shape in weights.shapes_of(config).values())))


def generate(model, inputs):
    """One run of transformers, phase by phase: nanoseconds, token ids and the smallest top-1 to top-2 distance."""
    import torch
    from oracle import runs
    from transformers import DynamicCache

    position_ids, delta = runs.positions(model, inputs)
    start = time.perf_counter_ns()
    rows = runs.features(model, inputs)
    vision = time.perf_counter_ns()
    embeds = model.get_input_embeddings()(inputs["input_ids"][None])
    embeds[0, inputs["mm_token_type_ids"] == 1] = rows[1]
    cache = DynamicCache(config=model.config.text_config)
    out = model.model.language_model(inputs_embeds=embeds, position_ids=position_ids[:, None], cache=cache, use_cache=True)
    logits = model.lm_head(out.last_hidden_state[:, -1:])
    tokens, margins = [logits[0, -1].argmax()], [margin(logits)]
    prefill = time.perf_counter_ns()
    for n in range(1, NEW_TOKENS):
        here = (embeds.shape[1] + n - 1 + delta).expand(3, 1)
        logits = runs.language(model, model.get_input_embeddings()(tokens[-1].reshape(1, 1)), here, cache)
        tokens.append(logits[0, -1].argmax())
        margins.append(margin(logits))
    end = time.perf_counter_ns()
    return {"timings": {"vision_ns": vision - start, "prefill_ns": prefill - vision, "decode_ns": end - prefill},
            "token_ids": torch.stack(tokens).tolist(), "smallest_margin": min(margins)}


def margin(logits):
    """Distance of the two largest of the last row."""
    best = logits[0, -1].topk(2).values
    return (best[0] - best[1]).item()


def time_transformers(work, threads):
    """A process of its own: load, run once untimed, run once timed, print JSON. Any instruction set, unlike a golden."""
    settings.stay_quiet()
    import torch
    from oracle import runs
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    config = json.loads((work / "model" / "config.json").read_text())
    model = runs.load(work / "model", config, runs.Mode("f32", "sdpa", "grouped_mm"))
    inputs = load_file(work / "inputs.safetensors")
    with torch.no_grad():
        generate(model, inputs)
        print(json.dumps(generate(model, inputs)))


def measure(command, threads):
    """Run a child; returns the JSON it prints and its peak memory in bytes.

    Linux counts the parent's memory at the time of the fork as the child's, so this process imports nothing large.
    """
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(command, stdout=output, env=os.environ | {"OMP_NUM_THREADS": str(threads)})
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"exit code {child.returncode} from: {' '.join(command)}")
        output.seek(0)
        return json.load(output), usage.ru_maxrss * 1024


def child(role, args):
    """Command line of this script in another role."""
    return [sys.executable, __file__, "--role", role, "--work", str(args.work), "--threads", str(args.threads)]


def sides(args):
    """Command line of each side. glmv prints {"token_ids": [...], "timings": {"vision_ns", "prefill_ns", "decode_ns"}}."""
    return {"hf": child("transformers", args),
            "glmv": [args.glmv, "generate", "--model", str(args.work / "model"),
                     "--inputs", str(args.work / "inputs.safetensors"), "--max-new-tokens", str(NEW_TOKENS),
                     "--ignore-eos", "--warm-up", "--dtype", "f32", "--threads", str(args.threads), "--json"]}


def flatten(side, answer, peak):
    """One run as it is reported: the same keys from both sides."""
    extra = {"smallest_margin": answer["smallest_margin"]} if side == "hf" else {}
    times = {phase: answer["timings"][phase] for phase in PHASES}
    return {"side": side, "peak_rss_bytes": peak, "token_ids": answer["token_ids"]} | times | extra


def summarise(runs):
    """Median of each quantity and side, and hf divided by glmv."""
    keys = PHASES + ("peak_rss_bytes",)
    median = {side: {key: statistics.median(run[key] for run in runs if run["side"] == side) for key in keys}
              for side in ("hf", "glmv")}
    return {"median": median, "hf_over_glmv": {key: median["hf"][key] / median["glmv"][key] for key in keys}}


def first_difference(runs):
    """Index of the first token on which not all runs agree, or None."""
    columns = zip(*(run["token_ids"] for run in runs), strict=True)
    return next((index for index, column in enumerate(columns) if len(set(column)) > 1), None)


def table(result):
    """The summary for people."""
    steps, equal = NEW_TOKENS - 1, result["first_difference"] is None
    rows = (("vision tower, 1000 patches", "vision_ns", 1e-6, "ms"), (f"prefill, {TOKENS} tokens", "prefill_ns", 1e-6, "ms"),
            ("decode, per token", "decode_ns", 1e-6 / steps, "ms"), ("peak memory", "peak_rss_bytes", 2.0**-20, "MiB"))
    lines = [f"{'median of ' + str(result['repeats']):28} {'transformers':>14} {'glmv':>12}     hf/glmv"]
    for label, key, factor, unit in rows:
        theirs, ours = (result["median"][side][key] * factor for side in ("hf", "glmv"))
        lines.append(f"{label:28} {theirs:11.1f} {unit:3}{ours:10.1f} {unit:3} {result['hf_over_glmv'][key]:8.2f}")
    lines.append(f"{result['parameters'] / 1e6:.0f} M parameters, f32, {result['threads']} threads; "
                 + ("same tokens" if equal else f"TOKENS DIFFER from number {result['first_difference'] + 1} on"))
    return "\n".join(lines)


def cpu_name():
    """The processor's name for people, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glmv", help="the glmv program")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "glmv_hf_speed", help="model and inputs")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--role", choices=("compare", "prepare", "transformers"), default="compare", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.role == "prepare":
        return prepare(args.work)
    if args.role == "transformers":
        return time_transformers(args.work, args.threads)
    if not args.glmv:
        parser.error("--glmv is needed")
    parameters, _ = measure(child("prepare", args), args.threads)
    runs = []
    for repeat in range(args.repeats):
        for side, command in sides(args).items():
            print(f"run {repeat + 1} of {args.repeats}: {side}", file=sys.stderr)
            runs.append(flatten(side, *measure(command, args.threads)))
    result = {"schema": "glmv.peer_speed/1", "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
              "cpu": cpu_name(), "threads": args.threads, "repeats": args.repeats, "dtype": "f32",
              "parameters": parameters, "tokens": TOKENS, "new_tokens": NEW_TOKENS, "versions": settings.versions(),
              "first_difference": first_difference(runs)} | summarise(runs)
    result["runs"] = [{key: value for key, value in run.items() if key != "token_ids"} for run in runs]
    print(json.dumps(result, indent=1) if args.json else table(result))
    return 0 if result["first_difference"] is None else 1


if __name__ == "__main__":
    sys.exit(main())
