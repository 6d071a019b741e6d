#!/usr/bin/env python3
"""Compiles every kernel file of hip/ for AMD targets and compares what the code objects say of each kernel with the
table of that compiler beside this script.

    check_hip.py [--compiler 15|19] [--clang PATH] [--update] [--build DIR] [FILE.hip ...]

Debian's clang 15 knows gfx90a and gfx940, its clang 19 gfx90a, gfx942 and gfx1100; --clang names another program for
the same targets and table.

Per kernel and target: registers (vector, accumulation, scalar), spilled registers, bytes of scratch and of static
shared memory, matrix instructions, waves per unit that registers leave room for, and threads of the largest block. It
fails if the compiler warns, if a kernel spills, uses scratch or exceeds its entry's (a kernel without entry: any), if
the bound of its threads is not the entry's, if a kernel that promises matrix instructions has none, or if fewer waves
fit than the entry says. Kernels for another machine than the target (matrix instructions or waves of 64 on gfx1100,
waves of 32 elsewhere) must be a trap and nothing else, and no other kernel may be; their entry is null. Registers
depend on the compiler: with another release than the table's only spills, scratch, threads, promises and traps are
failures. Exit code 77: the compiler is not there, and what was not checked is counted.
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
TARGETS = {15: ("gfx90a", "gfx940"), 19: ("gfx90a", "gfx942", "gfx1100")}
MEASURES = ("vgpr", "agpr", "sgpr", "spills", "scratch", "lds", "mfma", "waves", "threads")
BY_HAND = ("spills", "scratch")
NAMESPACES = r"\bglmv::(hip(_plan)?::)?(naive::)?(attention_tile::)?"
# Kernels that are built round matrix instructions, and how many they need at least.
PROMISES = {"linear_dense_kernel": 4, "linear_skinny_kernel": 4, "attention_kernel": 4, "attention_decode_kernel": 1,
            "gate_up_kernel": 4, "down_kernel": 4}
# Kernels whose first template argument is the number of lanes in a wave.
OF_A_WIDTH = re.compile(r"(layernorm|linear_gemv|align|count|scan|place|decode_hidden|decode_down|dots|choose|rmsnorm|"
                        r"sample)_kernel<(32|64)\b")
FLAGS = ["-std=c++17", "-O3", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}", "-DGLMV_BACKEND=hip", "-x", "hip"]


def table_of(release):
    return pathlib.Path(__file__).resolve().with_name(f"hip_clang{release}.json")


class Compiler:
    """A clang with Debian's device libraries; `program` is None where one of them is missing."""

    def __init__(self, release, program, build):
        program = program or f"/usr/lib/llvm-{release}/bin/clang++"
        libraries = sorted(pathlib.Path("/usr/lib").glob("*/amdgcn/bitcode"))
        self.program = program if pathlib.Path(program).exists() and libraries else None
        self.release, self.targets = release, TARGETS[release]
        if self.program is None:
            return
        self.flags = ["--rocm-path=/usr", "-D__HIP_ROCclr__=1"]
        if release == 19:
            folder = build / "device-libraries"
            subprocess.run(["cmake", f"-DFROM={libraries[0]}", f"-DTO={folder}", f"-DCLANG={program}", "-P",
                            str(ROOT / "hip/cmake/debian/device_libraries.cmake")], check=True)
            self.flags += ["-mcode-object-version=5", f"--rocm-device-lib-path={folder}"]
        else:
            self.flags += [f"--rocm-device-lib-path={libraries[0]}"]
        text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        self.version = re.search(r"version ([0-9.]+)", text)[1]

    def tool(self, name, *arguments):
        path = pathlib.Path(self.program).with_name(name)
        return subprocess.run([path, *arguments], capture_output=True, text=True, check=True).stdout

    def compile(self, source, target, build):
        """(code object, what the compiler said, succeeded)"""
        out = build / f"{file_key(source).replace('/', '_')}.{target}.{self.version}.elf"
        command = [self.program, *FLAGS, *self.flags, f"--offload-arch={target}", "--cuda-device-only",
                   "--no-gpu-bundle-output", "-c", str(source), "-o", str(out)]
        done = subprocess.run(command, capture_output=True, text=True)
        return out, done.stdout + done.stderr, done.returncode == 0


def file_key(source):
    """Of a file of hip/ its path there, of another its name."""
    return str(source.relative_to(ROOT / "hip")) if source.is_relative_to(ROOT / "hip") else source.name


def read_notes(compiler, elf):
    """{mangled kernel: {note: number}} of the ELF notes, which are YAML of one known shape."""
    kernels = {}
    notes_of_all = compiler.tool("llvm-readelf", "--notes", elf).partition("amdhsa.kernels:")[2]
    for block in re.split(r"\n  - (?=\.)", notes_of_all)[1:]:
        notes = dict(re.findall(r"^ {0,4}\.(\w+): +(\S+)$", block, re.M))
        kernels[notes["symbol"].strip("'").removesuffix(".kd")] = notes
    return kernels


def read_code(compiler, elf):
    """{symbol: (matrix instructions, whether it begins with a trap)}"""
    counts, now, first = {}, None, False
    for line in compiler.tool("llvm-objdump", "-d", "--no-show-raw-insn", elf).splitlines():
        if symbol := re.match(r"[0-9a-f]+ <(\S+)>:", line):
            now, first = symbol[1], True
        elif now and line.strip():
            mfma, trap = counts.get(now, (0, False))
            counts[now] = (mfma + ("v_mfma_" in line), trap or (first and "s_trap" in line))
            first = False
    return counts


def waves(target, vgpr, sgpr):
    """Waves per unit that registers leave room for. CDNA 2 and 3: 512 vector registers in all, given out by eights, and
    800 scalar ones; gfx1100: 1536 vector registers of half the width, by 24."""
    most, registers, granule = (16, 1536, 24) if target == "gfx1100" else (8 if sgpr <= 100 else 7, 512, 8)
    return min(most, registers // max(granule, -(-vgpr // granule) * granule))


def numbers_of(target, notes, mfma):
    vgpr = int(notes["vgpr_count"])  # on CDNA 2 and 3 the sum of both files
    return {"vgpr": vgpr, "agpr": int(notes.get("agpr_count", 0)), "sgpr": int(notes["sgpr_count"]),
            "spills": int(notes["vgpr_spill_count"]) + int(notes["sgpr_spill_count"]),
            "scratch": int(notes["private_segment_fixed_size"]), "lds": int(notes["group_segment_fixed_size"]),
            "mfma": mfma, "waves": waves(target, vgpr, int(notes["sgpr_count"])), "threads": int(notes["max_flat_workgroup_size"])}


def measure(compiler, sources, build):
    """({'linear_dense.hip: kernel<...>': {target: {measure: number}, or None: a trap}}, [complaints])."""
    build.mkdir(parents=True, exist_ok=True)
    found, complaints = {}, []
    jobs = [(s, t) for s in sources for t in compiler.targets]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (source, target), (elf, text, good) in zip(jobs, pool.map(lambda j: compiler.compile(*j, build), jobs)):
            if not good:
                complaints.append(f"{source} for {target}:\n{text}")
                continue
            kernels, code = read_notes(compiler, elf), read_code(compiler, elf)
            for mangled, name in zip(kernels, isa_table.demangle(kernels)):
                key, notes = f"{file_key(source)}: {isa_table.short_name(name, NAMESPACES)}", kernels[mangled]
                if notes["wavefront_size"] != ("32" if target == "gfx1100" else "64"):
                    complaints.append(f"{key} {target}: waves of {notes['wavefront_size']}")
                mfma, trap = code[mangled]
                found.setdefault(key, {})[target] = None if trap else numbers_of(target, notes, mfma)
    return found, complaints


def promised(kernel):
    name = kernel.split(": ")[1]
    return next((n for k, n in PROMISES.items() if re.match(rf"{k}\b", name)), 0)


def of_another_machine(kernel, target):
    width = OF_A_WIDTH.match(kernel.split(": ")[1])
    if target == "gfx1100":
        return promised(kernel) > 0 or (width is not None and width[2] == "64")
    return width is not None and width[2] == "32"


def compare_numbers(name, n, entry, least_mfma):
    """(failures, what is a failure with the compiler of the table) as lines; entry: {measure: number}, or None."""
    say = lambda what: f"{name}: {n[what]} {what}, the table says {(entry or {}).get(what, 0)}"
    failures = [say(w) for w in BY_HAND if n[w] > (entry or {}).get(w, 0)]
    if n["mfma"] < least_mfma:
        failures.append(f"{name}: {n['mfma']} matrix instructions, it promises {least_mfma}")
    if entry is None:
        return failures, []
    failures += [say("threads")] if n["threads"] != entry["threads"] else []
    worse = [say(w) for w in ("vgpr", "sgpr", "lds") if n[w] > entry[w]]
    return failures, worse + [say(w) for w in ("waves", "mfma") if n[w] < entry[w]]


def compare(found, table, same_compiler):
    """(failures, notes) as lines."""
    failures, notes = [], []
    for kernel, measured in sorted(found.items()):
        for target, n in measured.items():
            name, row = f"{kernel} {target}", table.get(kernel, {}).get(target)
            if (n is None) != of_another_machine(kernel, target):
                failures.append(f"{name}: " + ("a trap" if n is None else "more than a trap"))
            if n is None:
                continue
            if row is None:
                notes.append(f"not in the table: {name} {json.dumps(n)}")
            bad, worse = compare_numbers(name, n, dict(zip(MEASURES, row)) if row else None, promised(kernel))
            failures += bad
            (failures if same_compiler else notes).extend(worse)
    notes += [f"in the table, but not compiled: {kernel}" for kernel in sorted(set(table) - set(found))]
    return failures, notes


def update(path, compiler, found, entries, others):
    failures, _ = compare(found, entries, same_compiler=False)
    failures = [line for line in failures if " threads, " not in line]  # these may change, with the table
    isa_table.write(path, "clang", compiler.version, MEASURES, found, entries, others, by_hand=BY_HAND)
    print(*failures, f"{len(found)} kernels written to {path.relative_to(ROOT)}", sep="\n")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", type=int, choices=TARGETS, default=15, help="release of Debian's clang")
    parser.add_argument("--clang", help="another program in its place")
    parser.add_argument("--update", action="store_true", help="write the table, or the entries of the files given")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "isa", help="where objects go")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="default: all of hip/")
    args = parser.parse_args()
    path = table_of(args.compiler)
    table = isa_table.read(path, "clang", "")
    compiler = Compiler(args.compiler, args.clang, args.build.resolve())
    if compiler.program is None:
        print(f"skipped: no clang {args.compiler} for AMD GPUs: {len(table['kernels'])} kernels were not checked for "
              f"{', '.join(compiler.targets)}")
        return 77
    sources = [f.resolve() for f in args.files] or sorted((ROOT / "hip").rglob("*.hip"))
    found, complaints = measure(compiler, sources, args.build)
    for complaint in complaints:
        print(complaint)
    if complaints:
        print(f"{len(complaints)} complaints in {len(sources) * len(compiler.targets)} compilations")
        return 1
    if not found:
        print("the code objects have no kernel at all")
        return 1
    entries, others = table["kernels"], {}
    if args.files:
        entries, others = isa_table.of_files(entries, {file_key(s) for s in sources})
    if args.update:
        return update(path, compiler, found, entries, others)
    failures, notes = compare(found, entries, table["clang"] == compiler.version)
    for line in notes + failures:
        print(line)
    if notes or failures:
        print(f"to write the table anew: tests/isa/check_hip.py --compiler {args.compiler} --update")
    print(f"{len(found)} kernels in {len(sources)} files for {', '.join(compiler.targets)}, clang {compiler.version}"
          f" (table: {table['clang']}): {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
