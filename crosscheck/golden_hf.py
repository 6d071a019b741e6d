"""Adds the noise of the Hugging Face model's legal variants to a golden pack.

    python golden_hf.py PACK MODEL

Runs every prompt of the pack through the library with sdpa and with eager attention, with grouped and with eager
experts, and with one thread, in f32 and in bf16. How far each run is from the pack's gold, row by row, is noise that a
correct program shows; the largest is written beside the pack's own as {prompt}.hf.safetensors, and the manifest gets its
hash. Every token goes to the experts that gold chose: behind another choice a distance is no rounding.

Needs the packages of tests/golden/requirements.txt, and MODEL in memory.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "golden"))

from oracle import settings  # noqa: E402

settings.pin_cpu()

import torch  # noqa: E402
from safetensors import safe_open  # noqa: E402

from oracle import catalogue, runs, tensorfile  # noqa: E402

INPUTS = ("input_ids", "mm_token_type_ids", "pixel_values", "image_grid_thw", "pixel_values_videos", "video_grid_thw")


def variants(config):
    """(name, mode, threads) of every run, all of which the library calls correct."""
    experts = ("grouped_mm", "eager") if config["model_type"] == "glm4v_moe" else ("eager",)
    for dtype in ("f32", "bf16"):
        for attention in ("eager", "sdpa"):
            for expert in experts:
                yield f"{dtype}, {attention} attention, {expert} experts", runs.Mode(dtype, attention, expert), None
        yield f"{dtype}, one thread", runs.Mode(dtype, "sdpa", experts[-1]), 1


def read_prompt(path):
    """Inputs, fed tokens and gold of one prompt's file."""
    inputs, tokens, gold = {}, {}, {}
    with safe_open(path, "pt") as file:
        for name in file.keys():
            if name in INPUTS:
                inputs[name] = file.get_tensor(name)
            elif name.startswith("step.") and name.endswith("/input_ids"):
                tokens[int(name.split(".")[1].split("/")[0])] = file.get_tensor(name)
            elif name.startswith("gold/"):
                gold[name.removeprefix("gold/")] = file.get_tensor(name)
    return inputs, [tokens[n] for n in sorted(tokens)], gold


def add_noise(noise, dtype, gold, run):
    for name, want in gold.items():
        if not want.is_floating_point() or name not in run or run[name].shape != want.shape:
            continue
        want, got = want.double().flatten(1), run[name].double().flatten(1)
        errors = (got - want).abs().amax(1)
        size = want.square().mean(1).sqrt() * (1 - 2 ** -20)  # noise as large as its row would let anything pass
        errors = torch.minimum(errors, size).float()
        key = f"noise/{dtype}/{name}"
        noise[key] = torch.maximum(noise[key], errors) if key in noise else errors


def measure(pack, model_folder, config, manifest):
    noise = {prompt["id"]: {} for prompt in manifest["prompts"]}
    names = []
    for name, mode, threads in variants(config):
        print(f"running {name}", flush=True)
        torch.set_num_threads(threads or os.cpu_count())
        model = runs.load(model_folder, config, mode)
        for prompt in manifest["prompts"]:
            inputs, tokens, gold = read_prompt(pack / prompt["file"])
            case = catalogue.Case(prompt["id"], (), steps=len(tokens))
            run = runs.run_case(model, case, inputs, tokens, choices=gold)
            add_noise(noise[prompt["id"]], mode.dtype, gold, run)
        names.append(name)
    return noise, names


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def write(pack, manifest, noise, names):
    versions = settings.versions()
    for prompt in manifest["prompts"]:
        file = f"{prompt['id']}.hf.safetensors"
        tensorfile.write(pack / file, noise[prompt["id"]], {"format": "glmv.golden/1"})
        prompt["noise_files"] = [file]
        manifest["files"][file] = {
            "sha256": sha256((pack / file).read_bytes()),
            "tensors": {name: sha256(tensorfile.raw_bytes(t)) for name, t in noise[prompt["id"]].items()}}
    source = f"the Hugging Face model against the pack's gold, transformers {versions['transformers']}, torch {versions['torch']}: "
    kept = [s for s in manifest["noise_sources"] if not s.startswith("the Hugging Face model")]
    manifest["noise_sources"] = kept + [source + "; ".join(names)]
    temporary = pack / "manifest.json.tmp"
    temporary.write_text(json.dumps(manifest, indent=1) + "\n")
    temporary.rename(pack / "manifest.json")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("model", type=Path)
    args = parser.parse_args()
    manifest = json.loads((args.pack / "manifest.json").read_text())
    if tensorfile.model_sha256(args.model) != manifest["model_sha256"]:
        sys.exit(f"{args.model}: not the model of this pack (model_sha256)")
    config = json.loads((args.pack / "config.json").read_text())
    noise, names = measure(args.pack, args.model, config, manifest)
    write(args.pack, manifest, noise, names)
    print(f"{args.pack}: {len(names)} runs, {sum(len(n) for n in noise.values())} points with noise of theirs")


if __name__ == "__main__":
    main()
