"""Makes the golden models and traces of this folder, or checks that they can be made again bit by bit.

    python make_golden.py              everything, and manifest.json
    python make_golden.py moe_a        one model; the manifest is left alone
    python make_golden.py --check      make everything in a temporary folder and compare hashes

Needs the packages of requirements.txt. See README.md for what is in a file.
"""

import argparse
import itertools
import json
import sys
import tempfile
from pathlib import Path

from oracle import settings

settings.pin_cpu()

from oracle import configs, floors, margins, prompts, real_width, runs, tensorfile, weights  # noqa: E402
from oracle.catalogue import INNER, MODELS  # noqa: E402

HERE = Path(__file__).resolve().parent
SMALLEST_MARGIN = 1e-4  # in f32, where two right answers differ by about 1e-6


def write_model(folder, config, seed):
    """config.json and model.safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights.write_random(folder / "model.safetensors", config, seed)


def try_seed(folder, spec, seed):
    """All traces of a model with this seed: {file name: (case, mode, points)} and margins; None if one is too narrow."""
    write_model(folder, spec.config, seed)
    inputs = {case.name: prompts.build(spec.config, case.parts, f"{seed}/{case.name}", configs.TEXT_TOKENS)
              for case in spec.cases}
    traces, found = {}, {}
    f32 = runs.load(folder, spec.config, runs.GOLDEN["f32"])
    for case in spec.cases:
        points = runs.run_case(f32, case, inputs[case.name])
        found[case.name] = margins.of_trace(points, f32, spec.config)
        if min(found[case.name].get(kind, 1.0) for kind in ("logits", "router")) < SMALLEST_MARGIN:
            return None
        traces[f"{case.name}.safetensors"] = (case, runs.GOLDEN["f32"], points)
    if spec.bias_flip and not any(margin["bias_flips"] for margin in found.values()):
        return None
    bf16 = runs.load(folder, spec.config, runs.GOLDEN["bf16"])
    others = [runs.load(folder, spec.config, mode) for mode in runs.others(spec.config)]
    for case in spec.cases:
        points = runs.run_case(bf16, case, inputs[case.name])
        floor = floors.measure(others, case, inputs[case.name], points)
        traces[f"{case.name}.bf16.safetensors"] = (case, runs.GOLDEN["bf16"], points | floor)
    return traces, found


def make_model(root, spec):
    """Write one model and its traces under the first seed that is good enough; returns its part of the manifest."""
    folder = root / spec.name
    for seed in itertools.count(spec.seed):
        result = try_seed(folder, spec, seed)
        if result is not None:
            break
    traces, found = result
    model_sha256 = tensorfile.model_sha256(folder)
    (folder / "traces").mkdir(exist_ok=True)
    for name, (case, mode, points) in traces.items():
        kept = {point: tensor for point, tensor in points.items()
                if case.name in spec.full or not INNER.fullmatch(point)}
        extra = {"floor": runs.FLOOR} if mode.dtype == "bf16" else {}
        header = runs.metadata(mode, model_sha256=model_sha256, seed=seed, case=case.name,
                               chunks=json.dumps(case.chunks), steps=case.steps, **extra)
        tensorfile.write(folder / "traces" / name, kept, header)
    print(f"{spec.name}: seed {seed}, margins {found}", file=sys.stderr)
    return {"seed": seed, "model_sha256": model_sha256, "margins": found}


def make(root, names):
    """Make the named models (and "real", the layers of real width); returns the manifest without its files."""
    models = {spec.name: make_model(root, spec) for spec in MODELS if spec.name in names}
    manifest = {"schema": "glmv.golden/1", "versions": settings.versions(), "cpu": settings.cpu(),
                "smallest_margin": SMALLEST_MARGIN, "models": models}
    if "real" in names:
        manifest["real"] = real_width.make(root / "real")
    return manifest


def file_list(root, names):
    """[{path, bytes, sha256}] of everything under the named folders, in path order."""
    paths = sorted(path for name in names for path in (root / name).rglob("*") if path.is_file())
    return [{"path": path.relative_to(root).as_posix(), "bytes": path.stat().st_size,
             "sha256": tensorfile.sha256_of([path])} for path in paths]


def check(names):
    """Make everything again elsewhere; print each file that differs. Returns the number of differences."""
    committed = json.loads((HERE / "manifest.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        manifest = make(Path(folder), names)
        again = {entry["path"]: entry for entry in file_list(Path(folder), names)}
    wanted = {entry["path"]: entry for entry in committed["files"] if entry["path"].split("/")[0] in names}
    here = {entry["path"]: entry for entry in file_list(HERE, names)}
    different = [path for path in sorted(wanted.keys() | again.keys() | here.keys())
                 if not wanted.get(path) == again.get(path) == here.get(path)]
    for path in different:
        print(f"differs: {path}")
    for key in ("versions", "cpu"):
        if manifest[key] != committed[key]:
            print(f"note: other {key} here: {manifest[key]}, committed with {committed[key]}")
    print(f"{len(wanted) - len(different)} of {len(wanted)} files are made again bit by bit")
    return len(different)


def main():
    everything = [spec.name for spec in MODELS] + ["real"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="any of: " + " ".join(everything))
    parser.add_argument("--check", action="store_true", help="compare with what is here, write nothing")
    args = parser.parse_args()
    names = args.names or everything
    if unknown := set(names) - set(everything):
        parser.error(f"unknown: {' '.join(sorted(unknown))}")
    settings.pin_torch()
    if args.check:
        sys.exit(1 if check(names) else 0)
    manifest = make(HERE, names)
    if names == everything:
        manifest["files"] = file_list(HERE, names)
        (HERE / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
