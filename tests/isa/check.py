#!/usr/bin/env python3
"""Compiles every kernel file of cuda/ for sm_80 and sm_90a and compares what ptxas says of each kernel (registers, bytes
of spills, of stack and of static shared memory) with the table beside this script.

    check.py [--update] [--nvcc PATH] [--build DIR] [FILE.cu ...]

It fails if nvcc warns, if a kernel spills more than its entry says (a kernel without entry: at all), or needs more
registers, stack or shared memory than its entry says. Registers depend on the release of nvcc: with another one than the
table's they are reported only. Kernels without an entry, and entries without a kernel, are listed; --update writes the
table anew, but no new spills. Exit code 77: no nvcc.

Kernels of cuda/wgmma/ must have their instructions on sm_90a: wgmma, tensor loads and so on in the PTX, and where
cuobjdump is installed HGMMA, UTMALDG and so on in the machine code. That ptxas had to serialise or to wait for wgmma (its notes C75..) is a
failure anywhere.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import table as isa_table

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = pathlib.Path(__file__).resolve().with_name("cuda.json")
ARCHITECTURES = ("sm_80", "sm_90a")
MEASURES = ("registers", "spills", "stack", "shared")
NAMESPACES = r"\bglmv::(cuda::)?(naive::)?"
# What kernels of cuda/wgmma/ are for, as (PTX, machine code), by file: attention copies rows from pages of any size.
COMMON = (("wgmma.mma_async", "HGMMA"), ("mbarrier.try_wait", "SYNCS"), ("setmaxnreg", "USETMAXREG"))
TENSOR_LOADS = (("cp.async.bulk.tensor", "UTMALDG"),)
PROMISED = {"linear": COMMON + TENSOR_LOADS, "moe_experts": COMMON + TENSOR_LOADS,
            "attention": COMMON + (("cp.async.cg", "LDGSTS"), ("fence.proxy.async", "FENCE.VIEW.ASYNC"))}


def find_nvcc(given):
    for candidate in [given] if given else ["nvcc", "/usr/local/cuda/bin/nvcc"]:
        if candidate and shutil.which(candidate):
            return candidate
    return None


def release_of(nvcc):
    text = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"release ([0-9.]+)", text)[1]


def object_of(source, build):
    return build / (str(source.relative_to(ROOT)).replace("/", "_") + ".o")


def compile_file(nvcc, source, build):
    """What nvcc and ptxas print for all architectures; (text, succeeded)."""
    target = object_of(source, build)
    command = [nvcc, "-std=c++17", "-O3", f"-I{ROOT}", "-DGLMV_BACKEND=cuda", "-Werror=all-warnings", "-Xptxas", "-v"]
    for architecture in ARCHITECTURES:
        command += ["-gencode", f"arch={architecture.replace('sm', 'compute')},code={architecture}"]
    if shutil.which("ccache"):
        command.insert(0, "ccache")
    done = subprocess.run(command + ["-c", str(source), "-o", str(target)], capture_output=True, text=True)
    return done.stdout + done.stderr, done.returncode == 0


def read_ptxas(text):
    """{mangled kernel: {architecture: {measure: number}}} of ptxas' lines."""
    kernels, now = {}, None
    for line in text.splitlines():
        if entry := re.search(r"Compiling entry function '(\S+)' for '(\S+)'", line):
            now = kernels.setdefault(entry[1], {}).setdefault(entry[2], dict.fromkeys(MEASURES, 0))
        elif now is not None and (frame := re.search(
                r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line)):
            # A function that was not inlined has lines of its own after its kernel's: they count for the kernel.
            now["stack"] = max(now["stack"], int(frame[1]))
            now["spills"] = max(now["spills"], int(frame[2]) + int(frame[3]))
        elif now is not None and (used := re.search(r"Used (\d+) registers", line)):
            now["registers"] = int(used[1])
            if shared := re.search(r"(\d+) bytes smem", line):
                now["shared"] = int(shared[1])
    return kernels


def measure(nvcc, sources, build):
    """({'linear_dense.cu: kernel<...>': {architecture: {measure: number}}}, [what nvcc complained of])."""
    build.mkdir(parents=True, exist_ok=True)
    found, complaints = {}, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for source, (text, good) in zip(sources, pool.map(lambda s: compile_file(nvcc, s, build), sources)):
            if not good or "warning" in text or re.search(r"\(C75\d\d\)", text):
                complaints.append(f"{source}:\n{text}")
            kernels = read_ptxas(text)
            for mangled, name in zip(kernels, isa_table.demangle(kernels)):
                found[f"{source.relative_to(ROOT / 'cuda')}: {isa_table.short_name(name, NAMESPACES)}"] = kernels[mangled]
    return found, complaints


def functions_of(listing, start):
    """{mangled kernel: its text} of a listing in which `start` finds where kernels begin."""
    parts = re.split(start, listing)
    return dict(zip(parts[1::2], parts[2::2]))


def missing_instructions(nvcc, sources, build):
    """(failures, notes): kernels of cuda/wgmma/ that lack what they are for."""
    failures, notes = [], []
    cuobjdump = shutil.which("cuobjdump")
    for source in (s for s in sources if s.parent.name == "wgmma"):
        command = [nvcc, "-std=c++17", f"-I{ROOT}", "-DGLMV_BACKEND=cuda", "-arch=sm_90a", "-ptx", str(source), "-o", "-"]
        ptx = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        promised = PROMISED.get(source.stem, ())
        listings = [(functions_of(ptx, r"\.entry (\S+)\("), [ptx_name for ptx_name, _ in promised])]
        if cuobjdump:
            command = [cuobjdump, "-sass", "-arch", "sm_90a", str(object_of(source, build))]
            code = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            listings.append((functions_of(code, r"Function : (\S+)"), [code_name for _, code_name in promised]))
        elif not notes:
            notes.append("no cuobjdump: the instructions of cuda/wgmma/ were looked for in the PTX only")
        for kernels, names in listings:
            for mangled, text in kernels.items():
                lacking = [name for name in names if name not in text]
                if lacking and "wgmma_kernel" in mangled:
                    failures.append(f"{source.relative_to(ROOT)}: {mangled} has no {', '.join(lacking)}")
    return failures, notes


def compare(found, table, same_release):
    """(failures, notes) as lines."""
    failures, notes = [], []
    for kernel, measured in sorted(found.items()):
        entry = table.get(kernel)
        if entry is None:
            notes.append(f"not in the table: {kernel} {json.dumps(measured)}")
        for architecture, numbers in measured.items():
            allowed = dict(zip(MEASURES, entry[architecture])) if entry and architecture in entry else {"spills": 0}
            for what, most in allowed.items():
                if numbers[what] <= most:
                    continue
                line = f"{kernel} {architecture}: {numbers[what]} {what}, the table says {most}"
                (failures if same_release or what == "spills" else notes).append(line)
    notes += [f"in the table, but not compiled: {kernel}" for kernel in sorted(set(table) - set(found))]
    return failures, notes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--update", action="store_true", help="write the table, or the entries of the files given")
    parser.add_argument("--nvcc")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "isa", help="where objects go")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="default: all of cuda/")
    args = parser.parse_args()
    nvcc = find_nvcc(args.nvcc)
    if nvcc is None:
        print("skipped: no nvcc")
        return 77
    sources = [f.resolve() for f in args.files] or sorted((ROOT / "cuda").rglob("*.cu"))
    found, complaints = measure(nvcc, sources, args.build)
    for complaint in complaints:
        print(complaint)
    if complaints:
        print(f"nvcc warned of, or refused, {len(complaints)} of {len(sources)} files")
        return 1
    if not found:
        print("ptxas reported no kernel at all")
        return 1
    release = release_of(nvcc)
    table = isa_table.read(TABLE, "nvcc", release)
    entries, others = table["kernels"], {}
    if args.files:
        stems = {str(s.relative_to(ROOT / "cuda")) for s in sources}
        entries, others = isa_table.of_files(entries, stems)
    if args.update:
        failures, _ = compare(found, entries, same_release=False)  # that is, only what spills
        isa_table.write(TABLE, "nvcc", release, MEASURES, found, entries, others, by_hand=("spills",))
        print(*failures, f"{len(found)} kernels written to {TABLE.relative_to(ROOT)}", sep="\n")
        return 1 if failures else 0
    failures, notes = compare(found, entries, table["nvcc"] == release)
    lacking, remarks = missing_instructions(nvcc, sources, args.build)
    failures += lacking
    for line in remarks + notes + failures:
        print(line)
    if notes or failures:
        print("to write the table anew: tests/isa/check.py --update")
    print(f"{len(found)} kernels in {len(sources)} files for {', '.join(ARCHITECTURES)}, nvcc {release}"
          f" (table: {table['nvcc']}): {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
