#!/usr/bin/env python3
"""Compiles every kernel file of hip/ for AMD targets and compares what the code objects say of each kernel with the
table beside this script.

    check_hip.py [--update] [--clang PATH] [--build DIR] [FILE.hip ...]

Per kernel and target: registers (vector, accumulation, scalar), spilled registers, bytes of scratch and of static
shared memory, matrix instructions, and waves per unit that registers leave room for. It fails if the compiler warns, if
a kernel spills, uses scratch or exceeds its entry's (a kernel without entry: any), if a kernel that promises matrix
instructions has none, or if fewer waves fit than the entry says. Registers depend on the compiler: with another one than
the table's only spills, scratch and promises are failures. Exit code 77: no compiler for AMD GPUs.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

import table as isa_table

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = pathlib.Path(__file__).resolve().with_name("hip.json")
TARGETS = ("gfx90a", "gfx940")
MEASURES = ("vgpr", "agpr", "sgpr", "spills", "scratch", "lds", "mfma", "waves")
NAMESPACES = r"\bglmv::(hip(_plan)?::)?(naive::)?(attention_tile::)?"
# Kernels that are built round matrix instructions, and how many they need at least.
PROMISES = {"linear_dense_kernel": 4, "linear_skinny_kernel": 4, "attention_kernel": 4, "attention_decode_kernel": 1,
            "gate_up_kernel": 4, "down_kernel": 4}
FLAGS = ["-std=c++17", "-O3", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}", "-DGLMV_BACKEND=hip", "-x", "hip"]


def find_clang(given):
    for candidate in [given] if given else [f"/usr/lib/llvm-{n}/bin/clang++" for n in (15, 19)]:
        libraries = sorted(pathlib.Path("/usr/lib").glob("*/amdgcn/bitcode"))
        if pathlib.Path(candidate).exists() and libraries:
            return candidate, ["--rocm-path=/usr", f"--rocm-device-lib-path={libraries[0]}", "-D__HIP_ROCclr__=1"]
    return None, []


def version_of(clang):
    text = subprocess.run([clang, "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"version ([0-9.]+)", text)[1]


def compile_file(clang, flags, source, target, build):
    """(code object, what the compiler said, succeeded)"""
    out = build / f"{str(source.relative_to(ROOT)).replace('/', '_')}.{target}.elf"
    command = [clang, *FLAGS, *flags, f"--offload-arch={target}", "--cuda-device-only", "--no-gpu-bundle-output"]
    done = subprocess.run(command + ["-c", str(source), "-o", str(out)], capture_output=True, text=True)
    return out, done.stdout + done.stderr, done.returncode == 0


def read_notes(clang, elf):
    """{mangled kernel: {note: number}} of the ELF notes, which are YAML of one known shape."""
    readelf = str(pathlib.Path(clang).with_name("llvm-readelf"))
    text = subprocess.run([readelf, "--notes", str(elf)], capture_output=True, text=True, check=True).stdout
    kernels = {}
    for block in re.split(r"\n  - (?=\.)", text.partition("amdhsa.kernels:")[2])[1:]:
        notes = dict(re.findall(r"^ {0,4}\.(\w+): +(\S+)$", block, re.M))
        kernels[notes["symbol"].strip("'").removesuffix(".kd")] = notes
    return kernels


def count_mfma(clang, elf):
    objdump = str(pathlib.Path(clang).with_name("llvm-objdump"))
    text = subprocess.run([objdump, "-d", "--no-show-raw-insn", str(elf)], capture_output=True, text=True, check=True).stdout
    counts, now = {}, None
    for line in text.splitlines():
        if symbol := re.match(r"[0-9a-f]+ <(\S+)>:", line):
            now = symbol[1]
            counts[now] = 0
        elif now and "v_mfma_" in line:
            counts[now] += 1
    return counts


def waves(vgpr):
    """Waves per unit that registers leave room for on CDNA 2 and 3: 512 registers in all, given out by eights."""
    return min(8, 512 // max(8, -(-vgpr // 8) * 8))


def numbers_of(notes, mfma):
    vgpr = int(notes["vgpr_count"])  # on these targets the sum of both files
    return {"vgpr": vgpr, "agpr": int(notes.get("agpr_count", 0)), "sgpr": int(notes["sgpr_count"]),
            "spills": int(notes["vgpr_spill_count"]) + int(notes["sgpr_spill_count"]),
            "scratch": int(notes["private_segment_fixed_size"]), "lds": int(notes["group_segment_fixed_size"]),
            "mfma": mfma, "waves": waves(vgpr)}


def measure(clang, flags, sources, build):
    """({'linear_dense.hip: kernel<...>': {target: {measure: number}}}, [what the compiler complained of])."""
    build.mkdir(parents=True, exist_ok=True)
    found, complaints = {}, []
    jobs = [(s, t) for s in sources for t in TARGETS]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (source, target), (elf, text, good) in zip(
                jobs, pool.map(lambda j: compile_file(clang, flags, *j, build), jobs)):
            if not good:
                complaints.append(f"{source} for {target}:\n{text}")
                continue
            kernels, mfma = read_notes(clang, elf), count_mfma(clang, elf)
            for mangled, name in zip(kernels, isa_table.demangle(kernels)):
                key = f"{source.relative_to(ROOT / 'hip')}: {isa_table.short_name(name, NAMESPACES)}"
                found.setdefault(key, {})[target] = numbers_of(kernels[mangled], mfma.get(mangled, 0))
    return found, complaints


def promised(kernel):
    name = kernel.split(": ")[1]
    return next((n for k, n in PROMISES.items() if re.match(rf"{k}\b", name)), 0)


def compare(found, table, same_compiler):
    """(failures, notes) as lines."""
    failures, notes = [], []
    for kernel, measured in sorted(found.items()):
        for target, n in measured.items():
            entry = dict(zip(MEASURES, table.get(kernel, {}).get(target, []))) or None
            if entry is None:
                notes.append(f"not in the table: {kernel} {target} {json.dumps(n)}")
            say = lambda what: f"{kernel} {target}: {n[what]} {what}, the table says {(entry or {}).get(what, 0)}"
            if n["mfma"] < promised(kernel):
                failures.append(f"{kernel} {target}: {n['mfma']} matrix instructions, it promises {promised(kernel)}")
            failures += [say(w) for w in ("spills", "scratch") if n[w] > (entry or {}).get(w, 0)]
            if entry is None:
                continue
            worse = [say(w) for w in ("vgpr", "sgpr", "lds") if n[w] > entry[w]]
            worse += [say(w) for w in ("waves", "mfma") if n[w] < entry[w]]
            (failures if same_compiler else notes).extend(worse)
    notes += [f"in the table, but not compiled: {kernel}" for kernel in sorted(set(table) - set(found))]
    return failures, notes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--update", action="store_true", help="write the table, or the entries of the files given")
    parser.add_argument("--clang")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "isa", help="where objects go")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="default: all of hip/")
    args = parser.parse_args()
    clang, flags = find_clang(args.clang)
    if clang is None:
        print("skipped: no compiler for AMD GPUs")
        return 77
    sources = [f.resolve() for f in args.files] or sorted((ROOT / "hip").rglob("*.hip"))
    found, complaints = measure(clang, flags, sources, args.build)
    for complaint in complaints:
        print(complaint)
    if complaints:
        print(f"the compiler warned of, or refused, {len(complaints)} of {len(sources) * len(TARGETS)} compilations")
        return 1
    if not found:
        print("the code objects have no kernel at all")
        return 1
    version = version_of(clang)
    table = isa_table.read(TABLE, "clang", version)
    entries, others = table["kernels"], {}
    if args.files:
        stems = {str(s.relative_to(ROOT / "hip")) for s in sources}
        entries, others = isa_table.of_files(entries, stems)
    if args.update:
        failures, _ = compare(found, entries, same_compiler=False)
        isa_table.write(TABLE, "clang", version, MEASURES, found, entries, others, by_hand=("spills", "scratch"))
        print(*failures, f"{len(found)} kernels written to {TABLE.relative_to(ROOT)}", sep="\n")
        return 1 if failures else 0
    failures, notes = compare(found, entries, table["clang"] == version)
    for line in notes + failures:
        print(line)
    if notes or failures:
        print("to write the table anew: tests/isa/check_hip.py --update")
    print(f"{len(found)} kernels in {len(sources)} files for {', '.join(TARGETS)}, clang {version}"
          f" (table: {table['clang']}): {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
