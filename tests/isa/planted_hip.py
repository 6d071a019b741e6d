#!/usr/bin/env python3
"""Plants mistakes into copies of a kernel file and expects check_hip.py's comparison to find them.

    planted_hip.py [--compiler 15|19] [--build DIR]      exit code 77: the compiler is not there
"""
import argparse
import pathlib
import sys

import check_hip
import table as isa_table

SOURCE = check_hip.ROOT / "hip" / "linear_dense.hip"
# (what is replaced, by what, a word of what must be said)
MISTAKES = {
    "a missing bound of threads": ("__launch_bounds__(T::kThreads, kWavesPerUnit)", "", "threads"),
    "too much shared memory": ("GPU_SHARED(typename T::Stage, stage, );",
                               "GPU_SHARED(typename T::Stage, stages, [3]);\n  auto& stage = stages[blockIdx.y % 3];",
                               "local memory"),
    "no matrix instructions": ("const float(&values)[4]) HIP_INLINE {",
                               "const float(&)[4]) HIP_INLINE {\n    const float values[4] = {};",
                               "matrix instructions"),
    "a kernel of MFMA that is no trap elsewhere": ("needs_mfma();", "", "more than a trap"),
}


def complaints_of(compiler, text, build):
    """All that is said of a kernel file with this text."""
    build.mkdir(parents=True, exist_ok=True)
    copy = build / SOURCE.name
    copy.write_text(text)
    found, complaints = check_hip.measure(compiler, [copy], build)
    table = isa_table.read(check_hip.table_of(compiler.release), "clang", "")["kernels"]
    failures, _ = check_hip.compare(found, isa_table.of_files(table, {SOURCE.name})[0], same_compiler=False)
    return complaints + failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", type=int, choices=check_hip.TARGETS, default=15)
    parser.add_argument("--build", type=pathlib.Path, default=check_hip.ROOT / "build" / "isa")
    args = parser.parse_args()
    build = args.build.resolve() / "planted"
    compiler = check_hip.Compiler(args.compiler, None, build)
    if compiler.program is None:
        print(f"skipped: no clang {args.compiler} for AMD GPUs")
        return 77
    text, missed = SOURCE.read_text(), 0
    if said := complaints_of(compiler, text, build):
        print("without a mistake:", *said, sep="\n")
        return 1
    for name, (before, after, word) in MISTAKES.items():
        if word == "more than a trap" and "gfx1100" not in compiler.targets:
            continue
        if before not in text:
            print(f"{name}: {SOURCE.name} has no '{before}'")
            missed += 1
            continue
        said = complaints_of(compiler, text.replace(before, after), build)
        good = any(word in line for line in said)
        missed += not good
        print(f"{name}: {'found' if good else 'MISSED'}: {said[0].splitlines()[-1] if said else 'nothing was said'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
