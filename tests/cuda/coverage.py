#!/usr/bin/env python3
"""Which lines of the kernel sources the tests on the emulator execute.

    coverage.py [--least PERCENT] [--jobs N]

Builds the preset `coverage` (the kernels with gcov's counters, not optimised), runs the tests of tests/cuda/, in which
every small case runs on both rungs, and prints for each file of cuda/ and gpu/ its lines, the share of them that was executed and
the numbers of those that were not. A line of a template counts as executed if one of its instances executed it; a
template that is never instantiated, and what is compiled for a device only, has no lines. Exit code 1: less than
PERCENT (95) of all lines, or a test failed.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "coverage"
BATCH = 16  # files for one run of gcov


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
    """Prints the table; returns the share of executed lines in percent."""
    total = executed = 0
    print(f"{'file':32} {'lines':>6} {'executed':>9}  not executed")
    for name in sorted(files):
        missing = sorted(number for number, count in files[name].items() if count == 0)
        count = len(files[name])
        total, executed = total + count, executed + count - len(missing)
        print(f"{name:32} {count:6} {100 * (count - len(missing)) / count:8.1f}%  {ranges(missing)}")
    share = 100 * executed / total if total else 0
    print(f"{'all':32} {total:6} {share:8.1f}%")
    return share


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--least", type=float, default=95, metavar="PERCENT")
    parser.add_argument("--jobs", type=int, default=2)
    wishes = parser.parse_args()
    build_and_run(wishes.jobs)
    share = report(executed_lines())
    if share < wishes.least:
        sys.exit(f"less than {wishes.least} % of the lines are executed")


if __name__ == "__main__":
    main()
