#!/usr/bin/env python3
"""Which lines of the kernel sources the tests on the emulator execute.

    coverage.py [--least PERCENT] [--jobs N] [--record | --unless-recorded]

Builds the preset `coverage` (the kernels with gcov's counters, not optimised), runs the tests of tests/cuda/, in which
every small case runs on both rungs, and prints for each file of cuda/ and gpu/ its lines, the share of them that was executed and
the numbers of those that were not. A line of a template counts as executed if one of its instances executed it; a
template that is never instantiated, and what is compiled for a device only, has no lines. Exit code 1: less than
PERCENT (95) of all lines, or a test failed.

--record keeps the result in coverage.json beside this file, with a hash of the sources it holds for: the kernels, the
emulator, the cases and the tests. --unless-recorded reads it there if none of them has changed since.
"""
import argparse
import collections
import hashlib
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "coverage"
RECORD = pathlib.Path(__file__).with_name("coverage.json")
BATCH = 16  # files for one run of gcov


def hash_of_sources():
    """Over everything that decides which lines run."""
    patterns = ["cuda/**/*", "gpu/**/*", "simt/**/*", "tests/cuda/*", "tests/emulated_case.h", "reference/*_cases.*"]
    files = sorted({path for pattern in patterns for path in ROOT.glob(pattern)})
    digest = hashlib.sha256()
    for path in files:
        if path.suffix in {".cu", ".cuh", ".h", ".cc", ".txt"}:
            digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def build_and_run(jobs):
    subprocess.run(["cmake", "--preset", "coverage"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "--preset", "coverage", f"-j{jobs}"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    for counters in BUILD.rglob("*.gcda"):
        counters.unlink()
    subprocess.run(["ctest", "--preset", "coverage", f"-j{jobs}"], cwd=ROOT, check=True)


def gcov_reports():
    """What gcov says of each object that ran, and of those that did not."""
    notes = sorted(str(path) for path in BUILD.rglob("*.gcno"))
    for begin in range(0, len(notes), BATCH):
        command = ["gcov", "--json-format", "--stdout", *notes[begin:begin + BATCH]]
        done = subprocess.run(command, cwd=BUILD, check=True, capture_output=True, text=True)
        for line in done.stdout.splitlines():
            if line.startswith("{"):
                yield json.loads(line)


def executed_lines():
    """{file: {line: how often}} for the sources in cuda/ and gpu/, over all objects and instances."""
    files = collections.defaultdict(lambda: collections.defaultdict(int))
    for report in gcov_reports():
        for source in report["files"]:
            path = pathlib.Path(report["current_working_directory"], source["file"]).resolve()
            if ROOT / "cuda" not in path.parents and ROOT / "gpu" not in path.parents:
                continue
            for line in source["lines"]:
                files[str(path.relative_to(ROOT))][line["line_number"]] += line["count"]
    return files


def ranges(numbers):
    """'3-5 9' of 3, 4, 5, 9."""
    words = []
    for number in numbers:
        if words and words[-1][1] == number - 1:
            words[-1][1] = number
        else:
            words.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in words)


def report(files):
    """Prints the table; returns how many lines there are, and the executed share in percent."""
    total = executed = 0
    print(f"{'file':32} {'lines':>6} {'executed':>9}  not executed")
    for name in sorted(files):
        missing = sorted(number for number, count in files[name].items() if count == 0)
        count = len(files[name])
        total, executed = total + count, executed + count - len(missing)
        print(f"{name:32} {count:6} {100 * (count - len(missing)) / count:8.1f}%  {ranges(missing)}")
    share = 100 * executed / total if total else 0
    print(f"{'all':32} {total:6} {share:8.1f}%")
    return total, share


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--least", type=float, default=95, metavar="PERCENT")
    parser.add_argument("--jobs", type=int, default=2)
    memory = parser.add_mutually_exclusive_group()
    memory.add_argument("--record", action="store_true", help="keep the result for these sources")
    memory.add_argument("--unless-recorded", action="store_true", help="do not measure what was measured")
    wishes = parser.parse_args()
    known = json.loads(RECORD.read_text()) if wishes.unless_recorded and RECORD.exists() else {}
    if known.get("sources_sha256") == hash_of_sources():
        total, share = known["lines"], known["executed_percent"]
        print(f"{share} % of {total} lines, measured earlier on these very sources")
    else:
        build_and_run(wishes.jobs)
        total, share = report(executed_lines())
    if wishes.record:
        RECORD.write_text(json.dumps({"sources_sha256": hash_of_sources(), "lines": total,
                                      "executed_percent": round(share, 1)}, indent=1) + "\n")
    if share < wishes.least:
        sys.exit(f"less than {wishes.least} % of the lines are executed")


if __name__ == "__main__":
    main()
